"""Which data sets lie at the paths that a user names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tart.readers.lines import COMPRESSIONS
from tart.readers.rows import shown_path
from tart_train.dataset import RetrievalSet
from tart_train.examples import DataError


def open_sets(paths: Iterable[Path]) -> list[RetrievalSet]:
    """Opens data sets, and those in folders of data sets; one that is named twice is opened once.

    Raises:
        DataError: A path is no data set and holds none, or a set is malformed.
    """
    folders: dict[Path, Path] = {}
    for path in paths:
        for folder in _set_folders(path):
            folders.setdefault(folder.resolve(), folder)
    return [RetrievalSet.open(folder) for folder in folders.values()]


def is_set(folder: Path) -> bool:
    """Whether a folder has documents in BEIR's layout."""
    return any((folder / f"corpus.jsonl{suffix}").is_file() for suffix in ("", *COMPRESSIONS))


def _set_folders(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        raise DataError(f"{shown_path(path)}: no such folder; wanted a data set or a folder of data sets")
    if is_set(path):
        yield path
        return
    inside = sorted(folder for folder in path.iterdir() if folder.is_dir() and is_set(folder))
    if not inside:
        raise DataError(
            f"{shown_path(path)}: neither a data set nor a folder of some; "
            "a data set has corpus.jsonl, queries.jsonl and qrels.tsv, plain or .gz"
        )
    yield from inside
