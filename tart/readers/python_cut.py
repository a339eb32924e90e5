"""The source text of one definition, its docstrings cut out and its indentation removed."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple, TypeAlias

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_SAME_LINE = re.compile(r"[ \t\f]*;(?:[ \t\f]|\\\n)*")
_SEMICOLON = re.compile(r"[ \t\f]*;")


class SourceText:
    """The text of a module, by the positions of its syntax tree: lines from 1, columns in UTF-8 bytes."""

    def __init__(self, text: str) -> None:
        # Not `splitlines`: Python's lines end at line feeds only.
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self.text = text

    def offset(self, line: int, column: int) -> int:
        """The offset of a position in the text."""
        content = self._lines[line - 1]
        return self._starts[line - 1] + (
            column if content.isascii() else len(content.encode("utf-8")[:column].decode("utf-8"))
        )

    def line(self, number: int) -> str:
        """One line without its end."""
        return self._lines[number - 1]


class _Span(NamedTuple):
    """A piece of the text, by offsets, and what comes in its place."""

    start: int
    end: int
    instead: str


def code_without_docstrings(source: SourceText, node: Definition) -> str:
    """The dedented source of a definition from its first decorator on, without its docstring and those inside it.

    Bare strings that follow the docstring go with it, as the first of them would become the docstring. A body that
    would be empty becomes `...`.
    """
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    start, end = source.offset(first, 0), _end(source, node)
    code = ""
    for cut in sorted(_docstring_spans(source, node)):
        code += source.text[start : cut.start] + cut.instead
        start = cut.end
    code += source.text[start:end]
    indentation = source.line(node.lineno)[
        : source.offset(node.lineno, node.col_offset) - source.offset(node.lineno, 0)
    ]
    if not indentation:
        return code
    return _dedent(code, indentation)


def _docstring_spans(source: SourceText, node: Definition) -> Iterator[_Span]:
    for inner in ast.walk(node):
        if isinstance(inner, Definition) and _is_string(inner.body[0]):
            yield _docstring_span(source, inner)


def _docstring_span(source: SourceText, node: Definition) -> _Span:
    """What to cut: the whole lines of the docstring where it has them for itself, otherwise the statement."""
    strings = list(takewhile(_is_string, node.body))
    start, end = source.offset(strings[0].lineno, strings[0].col_offset), _end(source, strings[-1])
    if len(strings) == len(node.body):
        return _Span(start, _end(source, node), "...")
    following = node.body[len(strings)]
    next_start = source.offset(following.lineno, following.col_offset)
    same_line = _SAME_LINE.match(source.text, end)
    if same_line and same_line.end() == next_start:
        return _Span(start, next_start, "")
    semicolon = _SEMICOLON.match(source.text, end)
    end = semicolon.end() if semicolon else end
    line_start = source.offset(strings[0].lineno, 0)
    line_end = source.text.index("\n", end)
    if source.text[line_start:start].isspace() and not source.text[end:line_end].strip():
        return _Span(line_start, line_end + 1, "")
    return _Span(start, end, "")


def _is_string(statement: ast.stmt) -> bool:
    """Whether a statement is a string and nothing else."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _end(source: SourceText, node: ast.stmt) -> int:
    """The offset behind a statement."""
    line, column = node.end_lineno, node.end_col_offset
    return source.offset(line or node.lineno, column or 0)


def _dedent(code: str, indentation: str) -> str:
    """Takes the indentation of a definition from its lines, but not from those that start inside a string."""
    inside = set(_lines_inside_strings(code))
    lines = code.split("\n")
    for index, line in enumerate(lines):
        if index + 1 not in inside:
            # Comments and continued lines may stand further left than the definition.
            lines[index] = line[min(len(indentation), len(line) - len(line.lstrip(" \t\f"))) :]
    return "\n".join(lines)


def _lines_inside_strings(code: str) -> Iterator[int]:
    """The numbers of the lines whose start belongs to a string."""
    if not any(mark in code for mark in ('"""', "'''", "\\\n")):
        return
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        # F-strings come in parts since Python 3.12.
        if tokenize.tok_name[token.type] in {"STRING", "FSTRING_MIDDLE"}:
            yield from range(token.start[0] + 1, token.end[0] + 1)
