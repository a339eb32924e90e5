"""Contrast groups of installed Python packages: the code of a function, or its documentation.

Two documents of one definition, made by the reader that `tart demo` uses; a name is in words, or the docstring's first
sentence, which stands verbatim in one of them. So the words of the query favour the documentation, and only the
instruction tells when the code is wanted.
"""

from __future__ import annotations

import importlib.util
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from tart.documents import Document
from tart.normal import normalised
from tart.readers.python_source import python_documents
from tart_train.examples import DataError, Example
from tart_train.groups import Member, group_rows, some
from tart_train.hold_out import PACKAGES
from tart_train.sampled import text_key
from tart_train.shelf import Shelf
from tart_train.units import name_words
from tart_train.wordings import UNITS, worded

_SKIP = ("test", "tests", "testing", "conftest", "_vendor", "vendor", "externals", "benchmarks", "doc", "docs")
_OPEN = re.compile(r"\b(BSD|MIT|Apache|PSF|Python Software Foundation|ISC)\b", re.IGNORECASE)
_WORDINGS = 10
_SHORTEST, _LONGEST = 60, 6_000


def package_licence(package: str) -> str:
    """The licence that an installed package states.

    Raises:
        DataError: It is not installed, or states no licence that lets its text be trained on and given away.
    """
    try:
        fields = metadata.metadata(_distribution(package)).json
    except metadata.PackageNotFoundError as error:
        raise DataError(f"no package {package!r} is installed; install it or name another") from error
    stated = [str(fields.get(name) or "").partition("\n")[0] for name in ("license_expression", "license")]
    stated += [one.rpartition("::")[2].strip() for one in fields.get("classifier") or () if "License" in one]
    for licence in stated:
        if _OPEN.search(licence):
            return licence
    raise DataError(
        f"package {package!r} states the licence {stated[0] or stated[1] or 'none'!r}; wanted BSD, MIT or Apache"
    )


def _distribution(package: str) -> str:
    return next(iter(metadata.packages_distributions().get(package, ())), package)


def package_pairs(package: str) -> Iterator[tuple[Document, Document]]:
    """Code and documentation of each public, documented definition of an installed package; copies once.

    Raises:
        DataError: It is not installed, or its licence is not open.
    """
    package_licence(package)
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DataError(f"package {package!r} has no Python source here; name another")
    found: dict[str, dict[str, Document]] = defaultdict(dict)
    for document in python_documents(Path(spec.origin).parent, skip=_SKIP, public_only=True, on_error="skip"):
        kind = document.metadata["kind"]
        if kind in ("code", "documentation") and len(document.text) >= _SHORTEST:
            named = Document(f"{package}:{document.id}", document.text[:_LONGEST], "", document.metadata)
            found[document.id.partition(":")[2]][str(kind)] = named
    seen: set[bytes] = set()
    for pair in found.values():
        keys = {text_key(document.text) for document in pair.values()}
        if len(pair) == 2 and not keys & seen:
            yield pair["code"], pair["documentation"]
        seen |= keys


def package_groups(packages: Sequence[str], shelf: Shelf, limit: int, seed: int) -> Iterator[Example]:
    """Groups of packages that may be trained on.

    Raises:
        DataError: A package is held out for evaluation, not installed, or its licence is not open.
    """
    for package in packages:
        if package in PACKAGES:
            raise DataError(f"package {package!r} is kept for evaluation; name another")
        chance = random.Random(f"{seed}:package:{package}")  # noqa: S311 (a sample, no secret)
        asked: set[str] = set()
        for code, documentation in some(list(package_pairs(package)), limit, chance):
            text = package_query(code, documentation, chance)
            if text and normalised(text) not in asked:
                asked.add(normalised(text))
                shelf.put((code, documentation), package)
                yield from group_rows("code", package, f"{code.id}", text, code_members(code, documentation, chance))


def code_members(code: Document, documentation: Document, chance: random.Random) -> list[Member]:
    """One row that wants the code, one that wants the documentation."""
    return [
        Member("code", worded(UNITS["code"], chance, _WORDINGS, UNITS["documentation"]), [code]),
        Member("documentation", worded(UNITS["documentation"], chance, _WORDINGS, UNITS["code"]), [documentation]),
    ]


def package_query(code: Document, documentation: Document, chance: random.Random) -> str:
    """What is asked with: the name's words or the docstring's first sentence; "" where both say too little."""
    name = name_words(code.text) or str(code.metadata["name"]).rpartition(".")[2].casefold()
    docstring = documentation.text.partition("\n")[2].strip()
    sentence = " ".join(docstring.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    choices = [text for text, least in ((name, 2), (sentence, 3)) if least <= len(text.split()) <= 30]
    return chance.choice(choices) if choices else ""
