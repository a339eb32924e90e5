"""The file of API keys: one line a key, `NAME:SCOPE:sha256:HASH`; empty lines and `#` comments are passed over."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from filelock import FileLock

from tart_serve.security.api_keys import ApiKey, KeyFileError, parse_key_line

# Is told of a line that cannot be used.
OnFault: TypeAlias = Callable[[str], None]


def refuse(fault: str) -> None:
    """Takes no fault.

    Raises:
        KeyFileError: Always.
    """
    raise KeyFileError(fault)


def read_keys(path: Path, on_fault: OnFault = refuse) -> tuple[ApiKey, ...]:
    """The keys of a file.

    Args:
        path: Of the file.
        on_fault: Is told of each line that is passed over because it cannot be used.

    Raises:
        KeyFileError: The file cannot be read.
    """
    return distinct_keys(_numbered(path, _text(path)), on_fault)


def distinct_keys(lines: Iterable[tuple[str, str]], on_fault: OnFault = refuse) -> tuple[ApiKey, ...]:
    """The keys of lines, each given with its place; of two of one name, the first.

    Args:
        lines: Place and text of each.
        on_fault: Is told of each line that cannot be used.
    """
    keys: dict[str, ApiKey] = {}
    for place, line in lines:
        try:
            key = parse_key_line(line)
        except KeyFileError as error:
            on_fault(f"{place}: {error}")
            continue
        if key.name in keys:
            on_fault(f"{place}: the name {key.name} stands twice; give every key a name of its own")
        keys.setdefault(key.name, key)
    return tuple(keys.values())


def add_key(path: Path, key: ApiKey) -> None:
    """Adds a key at the end; makes the file, readable by its owner only, where there is none.

    Raises:
        KeyFileError: There is a key of this name, or the file cannot be read or written.
    """
    with _locked(path):
        text = _text(path) if path.exists() else ""
        if key.name in {known.name for known in distinct_keys(_numbered(path, text))}:
            raise KeyFileError(f"{path} has a key named {key.name}; choose another name, or revoke that one first")
        separator = "" if not text or text.endswith("\n") else "\n"
        _replace(path, f"{text}{separator}{key.line}\n")


def remove_key(path: Path, name: str) -> None:
    """Takes a key away; all other lines, comments too, stay as they are.

    Raises:
        KeyFileError: There is no key of this name, or the file cannot be read or written.
    """
    with _locked(path):
        lines = _text(path).splitlines(keepends=True)
        kept = [line for line in lines if line.strip().partition(":")[0] != name]
        if len(kept) == len(lines):
            known = ", ".join(key.name for key in read_keys(path)) or "none"
            raise KeyFileError(f"{path} has no key named {name!r}; there are: {known}")
        _replace(path, "".join(kept))


def _numbered(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield f"{path}:{number}", stripped


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise KeyFileError(
            f"cannot read the keys in {path} ({reason}); make a key: tart keys new --keys {path}"
        ) from error


def _locked(path: Path) -> FileLock:
    if not path.parent.is_dir():
        raise KeyFileError(f"there is no folder {path.parent} for the keys; make it first")
    return FileLock(path.with_name(f".{path.name}.lock"))


def _replace(path: Path, text: str) -> None:
    """Writes the file anew, at once: a service that reads meanwhile sees all of the old or all of the new."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        raise KeyFileError(f"cannot write {path} ({error.strerror})") from error
