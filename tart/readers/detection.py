"""What kind of corpus lies at a path, and in which files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tart.errors import SourceError
from tart.readers.lines import COMPRESSIONS
from tart.readers.options import LAYOUTS, Layout
from tart.readers.python_source import PYTHON_SUFFIX
from tart.readers.rows import STANDARD_INPUT, shown_path
from tart.readers.text_files import TEXT_SUFFIXES, bare_name
from tart.readers.tree import files_below, files_in

DATASET_STATE = "state.json"
DATASET_SPLITS = "dataset_dict.json"

_SUFFIXES: dict[Layout, tuple[str, ...]] = {
    "jsonl": (".jsonl", ".ndjson"),
    "parquet": (".parquet",),
    "csv": (".csv",),
    "tsv": (".tsv",),
    "text": TEXT_SUFFIXES,
    "python": (PYTHON_SUFFIX,),
}
_NAMES: dict[Layout, tuple[str, ...]] = {
    "beir": tuple(f"corpus.jsonl{compression}" for compression in ("", *COMPRESSIONS)),
    "datasets": (DATASET_SPLITS, DATASET_STATE),
}
_COMPRESSIBLE = ("jsonl", "csv", "tsv", "text")
_FROM_STANDARD_INPUT = ("jsonl", "csv", "tsv")
_TREES = ("text", "python")
# In this order. A folder of another kind, such as CSV, has to be named: projects keep such files beside code and text.
_DETECTED_IN_FOLDERS: tuple[Layout, ...] = ("datasets", "beir", "parquet", "jsonl")
_DETECTED_IN_TREES: tuple[Layout, ...] = ("python", "text", "parquet", "jsonl")


def existing_path(source: str | Path) -> Path:
    """The path of a source; `-` is standard input.

    Raises:
        SourceError: There is nothing.
    """
    if not str(source):
        raise SourceError("the source has an empty name; name a corpus file or folder, or - for standard input")
    path = Path(source)
    try:
        found = path == STANDARD_INPUT or path.exists()
    except OSError as error:
        raise SourceError(f"{shown_path(path)}: cannot be looked at ({error.strerror}); name another path") from error
    if not found:
        raise SourceError(f"{shown_path(path)}: no such file or folder; name a corpus that is there")
    return path


def detected_layout(path: Path) -> Layout:
    """The layout that the name of a file or the content of a folder shows.

    Raises:
        SourceError: It shows none, or more than one.
    """
    if path == STANDARD_INPUT:
        return "jsonl"
    if not path.is_dir():
        return _file_layout(path)
    for layout in _DETECTED_IN_FOLDERS:
        if any(files_of(path, layout)):
            return layout
    return _tree_layout(path)


def files_of(path: Path, layout: Layout) -> Iterator[Path]:
    """The files of one layout in a folder, by name; a single file is its own."""
    if path == STANDARD_INPUT or not path.is_dir():
        return iter([path])
    if layout in _TREES:
        return (file for file in files_below(path) if _is_of(file, layout))
    if layout in _NAMES:
        present = set(files_in(path))
        return (path / name for name in _NAMES[layout] if path / name in present)
    return (file for file in files_in(path) if _is_of(file, layout))


def refuse_unfit(path: Path, layout: Layout) -> None:
    """Checks that a source can be read in a layout.

    Raises:
        SourceError: It is a file where a folder is wanted, a folder without such files, or standard input.
    """
    if path == STANDARD_INPUT and layout not in _FROM_STANDARD_INPUT:
        raise SourceError(
            f"layout {layout} cannot be read from standard input; name a file or folder, "
            f"or choose {', '.join(_FROM_STANDARD_INPUT)} with --layout"
        )
    wanted = " or ".join(_NAMES.get(layout) or _SUFFIXES[layout])
    if path != STANDARD_INPUT and layout in _NAMES and not path.is_dir():
        raise SourceError(f"{shown_path(path)}: is a file; layout {layout} wants a folder with {wanted}")
    if not any(files_of(path, layout)):
        raise SourceError(f"{shown_path(path)}: the folder has nothing for layout {layout}; wanted {wanted} in it")


def _file_layout(path: Path) -> Layout:
    """The layout of a single file, by its suffix."""
    if bare_name(path).suffix.lower() == ".json":
        layout: Layout | None = "jsonl"
    else:
        layout = next((layout for layout in _SUFFIXES if _is_of(path, layout)), None)
    if layout is None:
        known = ", ".join(chain.from_iterable(_SUFFIXES.values()))
        raise SourceError(
            f"{shown_path(path)}: not a known kind of file; wanted one of {known} "
            f"({', '.join(_COMPRESSIBLE)} also with {' or '.join(COMPRESSIONS)}), or name it with --layout"
        )
    return layout


def _tree_layout(folder: Path) -> Layout:
    """Python source or text, whichever lies below a folder."""
    examples: dict[Layout, str] = {}
    for file in files_below(folder):
        for layout in _DETECTED_IN_TREES:
            if _is_of(file, layout):
                examples.setdefault(layout, shown_path(file.relative_to(folder)))
        if len(examples) > 1:
            break
    if len(examples) == 1 and not examples.keys() & {"parquet", "jsonl"}:
        return next(iter(examples))
    where = shown_path(folder)
    if not examples:
        raise SourceError(f"{where}: the folder holds no corpus; wanted one of the layouts {', '.join(LAYOUTS)}")
    found = " and ".join(f"{layout} files ({example})" for layout, example in examples.items())
    choices = " or ".join(f"--layout {layout}" for layout in examples)
    raise SourceError(f"{where}: the folder holds {found}; choose with {choices}, or name the folder of one kind")


def _is_of(path: Path, layout: Layout) -> bool:
    """Whether a file's suffix is one of a layout."""
    bare = bare_name(path) if layout in _COMPRESSIBLE else path
    return bare.suffix.lower() in _SUFFIXES[layout]
