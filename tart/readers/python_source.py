"""Python source trees: code and documentation of every documented definition, as separate documents."""

from __future__ import annotations

import ast
import copy
import io
import sys
import sysconfig
import tokenize
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from tart.documents import Document, MetadataValue
from tart.readers.lines import read_bytes
from tart.readers.options import OnError
from tart.readers.python_cut import Definition, SourceText, code_without_docstrings
from tart.readers.rows import BadRow, Placed, ReadReport, settle
from tart.readers.tree import files_below, undecodable_name

PYTHON_SUFFIX = ".py"

# What lies in the standard library's folder and is no library for today's public: tests and applications, generated
# and vendored code, what PEP 594 and PEP 632 removed, the platforms' halves of asyncio, multiprocessing and os.path,
# and graphics toolkits so large that they would be a fifth of all documents.
STANDARD_LIBRARY_SKIP = (
    *("__pycache__", "config-*", "dist-packages", "ensurepip", "lib-dynload", "site-packages", "test", "tests"),
    *("idlelib", "lib2to3", "pydoc", "pydoc_data", "tkinter", "turtle", "turtledemo", "encodings", "macholib"),
    *("aifc", "asynchat", "asyncore", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr", "imp", "mailcap"),
    *("msilib", "nntplib", "pipes", "smtpd", "sndhdr", "sunau", "telnetlib", "uu", "xdrlib"),
    *("base_events", "base_futures", "base_subprocess", "base_tasks", "format_helpers", "proactor_events"),
    *("selector_events", "sslproto", "unix_events", "windows_events", "windows_utils", "ntpath", "nturl2path"),
    *("forkserver", "popen_*", "reduction", "resource_sharer", "resource_tracker", "spawn"),
)

# The parts of a statement that hold statements, in the order of the lines.
_BLOCKS = ("body", "handlers", "cases", "orelse", "finalbody")


class _Module(NamedTuple):
    """A parsed file."""

    path: Path
    name: str
    source: SourceText
    tree: ast.Module


def standard_library_root() -> Path:
    """The folder of the running interpreter's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def python_documents(
    root: Path,
    *,
    skip: Collection[str] = (),
    public_only: bool = False,
    on_error: OnError = "fail",
    report: ReadReport | None = None,
) -> Iterator[Document]:
    """Streams two documents, `code:` and `doc:`, of each documented function, class and method, and one of each module.

    Order and ids are the same in every run: files by path, definitions by line.

    Args:
        root: A folder or one file; the names of modules start below it.
        skip: Names of folders, files or modules to pass over at any depth; shell patterns.
        public_only: Whether to leave out what has a name with a leading underscore, and functions in functions.
        on_error: What happens to a file that is no Python.
        report: Filled with the counts.

    Raises:
        SourceError: A file cannot be read, or is no Python and `on_error` is "fail".
    """
    return settle(python_items(root, skip, public_only=public_only), on_error, report)


def python_items(root: Path, skip: Collection[str] = (), *, public_only: bool = False) -> Iterator[Placed | BadRow]:
    """The documents of a tree, and its files that do not parse.

    Raises:
        SourceError: A file or folder cannot be read.
    """
    # Names seen in the whole tree: the class `b` of package `a` and its module `a.b` have members of the same names.
    seen: Counter[str] = Counter()
    for path in _python_files(root, skip):
        name = _module_name(path, root)
        if public_only and not _is_public(name):
            continue
        module = undecodable_name(path, name) or _parse(path, name)
        if isinstance(module, BadRow):
            yield module
        else:
            yield from _module_documents(module, seen, public_only=public_only)


def _python_files(root: Path, skip: Collection[str]) -> Iterator[Path]:
    """The Python files of a tree, in order."""
    if not root.is_dir():
        yield root
        return

    def wanted(name: str) -> bool:
        names = (name, name.removesuffix(PYTHON_SUFFIX))
        return not any(fnmatchcase(each, pattern) for each in names for pattern in skip)

    yield from (path for path in files_below(root, wanted) if path.suffix == PYTHON_SUFFIX)


def _module_name(path: Path, root: Path) -> str:
    """The dotted name below the root; `__init__` for the root's own package."""
    if not root.is_dir():
        return path.stem
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _is_public(name: str) -> bool:
    """Whether no part of a dotted name is private, and none lies inside a function."""
    return not any(part.startswith(("_", "<")) for part in name.split("."))


def _parse(path: Path, name: str) -> _Module | BadRow:
    """The syntax tree of one file, decoded as PEP 263 says."""
    data = read_bytes(path)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Escapes such as "\d" in other people's code.
            return _Module(path, name, SourceText(text), ast.parse(text))
    except UnicodeDecodeError as error:
        byte, line = data[error.start], data.count(b"\n", 0, error.start) + 1
        problem = (
            f"byte 0x{byte:02x} is not valid {error.encoding}; name the encoding in the first line (# coding: NAME)"
        )
        return BadRow(path, line, "bad encoding", problem)
    except SyntaxError as error:
        return _no_python(path, error.lineno or 1, error.msg)
    except (ValueError, LookupError, RecursionError, MemoryError) as error:
        return _no_python(path, 1, str(error))


def _no_python(path: Path, line: int, why: str) -> BadRow:
    """The bad row of a file that does not parse."""
    version = ".".join(str(number) for number in sys.version_info[:2])
    problem = f"does not parse as Python {version} ({why}); correct the file or take it out of the corpus"
    return BadRow(path, line, "not Python", problem)


def _module_documents(module: _Module, seen: Counter[str], *, public_only: bool) -> Iterator[Placed | BadRow]:
    """The documents of one file: the module's own, then those of its definitions in the order of the lines."""
    definitions = list(_definitions(module.tree))
    docstring = _docstring(module.tree)
    if docstring:
        public = dict.fromkeys(name for name, _ in definitions if "." not in name and _is_public(name))
        text = f"{docstring}\n\nDefines: {', '.join(public)}" if public else docstring
        number = _number(f"module:{module.name}", seen)
        yield _document("module", "module", module, module.name, text, line=1, number=number)
    for name, node in definitions:
        docstring = _docstring(node)
        if not docstring or (public_only and not _is_public(name)):
            continue
        number = _number(f"{module.name}.{name}", seen)
        try:
            signature = _signature(node)
        except RecursionError:
            yield _no_python(module.path, node.lineno, f"the signature of {name} is nested too deeply")
            continue
        code = code_without_docstrings(module.source, node)
        yield _document("code", "code", module, name, code, line=node.lineno, number=number)
        yield _document(
            "doc", "documentation", module, name, f"{signature}\n{docstring}", line=node.lineno, number=number
        )


def _number(name: str, seen: Counter[str]) -> str:
    """What tells the second and later definitions of one name apart."""
    seen[name] += 1
    return f"#{seen[name]}" if seen[name] > 1 else ""


def _document(prefix: str, kind: str, module: _Module, name: str, text: str, *, line: int, number: str) -> Placed:
    """One document; the name of what it describes stands in the metadata only, so that text alone has to match."""
    full = module.name if kind == "module" else f"{module.name}.{name}"
    metadata: dict[str, MetadataValue] = {
        "kind": kind,
        "module": module.name,
        "name": name,
        "file": module.path.name,
        "line": line,
    }
    return Placed(module.path, line, Document(id=f"{prefix}:{full}{number}", text=text, metadata=metadata))


def _docstring(node: Definition | ast.Module) -> str:
    """The cleaned docstring, empty where there is none; what UTF-8 cannot hold stays an escape."""
    found = ast.get_docstring(node, clean=True) or ""
    return found.strip() and found.encode("utf-8", "backslashreplace").decode("utf-8")


def _signature(node: Definition) -> str:
    """The line `def name(args) -> ret` or `class Name(Bases)`."""
    bare = copy.copy(node)
    bare.body, bare.decorator_list = [ast.Pass()], []
    return ast.unparse(bare).rpartition(":")[0]


def _definitions(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    """Every definition with its qualified name, in the order of the lines; a loop, as `elif` chains nest deeply."""
    stack: list[tuple[ast.AST, str]] = [(node, "") for node in reversed(tree.body)]
    while stack:
        node, scope = stack.pop()
        if isinstance(node, ast.ClassDef):
            yield scope + node.name, node
            scope += f"{node.name}."
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield scope + node.name, node
            scope += f"{node.name}.<locals>."
        blocks: list[ast.AST] = []
        for block in _BLOCKS:
            blocks += getattr(node, block, ())
        stack += ((inner, scope) for inner in reversed(blocks))
