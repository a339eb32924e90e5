"""The normal form in which texts are compared: letters and digits only, case folded."""

from __future__ import annotations

import hashlib
import unicodedata


def words(text: str) -> list[str]:
    """The runs of letters and digits of a text, case folded.

    >>> words("COVID-19:  the *Facts*")
    ['covid', '19', 'the', 'facts']
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if folded.isascii():
        return folded.translate(_ASCII).split()
    return "".join(char if char.isalnum() else " " for char in folded).split()


def normalised(text: str) -> str:
    """Letters and digits of a text, case folded and without gaps; equal for texts that differ in layout only.

    >>> normalised("Foo-bar, BAZ") == normalised("foobar baz")
    True
    """
    return "".join(words(text))


_ASCII = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()})


def text_key(text: str) -> bytes:
    """16 bytes that stand for the normal form of a text."""
    return hashlib.blake2b(normalised(text).encode("utf-8", "surrogatepass"), digest_size=16).digest()
