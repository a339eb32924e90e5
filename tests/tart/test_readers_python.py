"""Python source trees: what becomes a document, and the docstring cut out of its code."""

from __future__ import annotations

import ast
import os
import sys
import warnings
from itertools import dropwhile
from pathlib import Path
from textwrap import dedent

import pytest

from tart.documents import Document
from tart.errors import SourceError
from tart.readers import ReadOptions, ReadReport, read_documents
from tart.readers.python_source import STANDARD_LIBRARY_SKIP, python_documents, standard_library_root


def read_source(tmp_path: Path, source: str | bytes, *, public_only: bool = False) -> dict[str, Document]:
    path = tmp_path / "m.py"
    path.write_bytes(source if isinstance(source, bytes) else dedent(source).encode())
    documents = list(python_documents(path, public_only=public_only))
    by_id = {document.id: document for document in documents}
    assert len(by_id) == len(documents)
    assert all(document.title == "" for document in documents)
    return by_id


def read_texts(tmp_path: Path, source: str | bytes) -> dict[str, str]:
    return {id_: document.text for id_, document in read_source(tmp_path, source).items()}


def read_code(tmp_path: Path, source: str | bytes, name: str = "f") -> str:
    code = read_texts(tmp_path, source)[f"code:m.{name}"]
    [statement] = ast.parse(code).body
    assert isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    assert ast.get_docstring(statement) is None
    return code


SOURCE = '''\
"""The module.

    It is indented.
"""
import os


@decorated(
    by=1)
def first(a, /, b: int = 3, *args, c, **rest) -> str:
    """Gives a.

        And b.
    """

    # A comment.
    return a


async def second(): "One line."


class Third(Base, metaclass=Meta):
    """A class."""

    value = 1

    def method(self):
        """A method."""
        def inner():
            """Inside."""
            return """
        not dedented
    """
        return inner

    class Inner:
        """Nested."""

        @property
        def deep(self) -> int:
            "Deep."
            return 1


def undocumented():
    pass


def _private():
    "Private."


if os.name:
    def branch():
        "Yes."
else:
    def branch():
        "No."
'''


def test_the_documents_of_a_module(tmp_path: Path) -> None:
    assert read_texts(tmp_path, SOURCE) == {
        "module:m": "The module.\n\nIt is indented.\n\nDefines: first, second, Third, undocumented, branch",
        "code:m.first": dedent("""\
            @decorated(
                by=1)
            def first(a, /, b: int = 3, *args, c, **rest) -> str:

                # A comment.
                return a"""),
        "doc:m.first": "def first(a, /, b: int=3, *args, c, **rest) -> str\nGives a.\n\nAnd b.",
        "code:m.second": "async def second(): ...",
        "doc:m.second": "async def second()\nOne line.",
        "code:m.Third": dedent('''\
            class Third(Base, metaclass=Meta):

                value = 1

                def method(self):
                    def inner():
                        return """
                    not dedented
                """
                    return inner

                class Inner:

                    @property
                    def deep(self) -> int:
                        return 1'''),
        "doc:m.Third": "class Third(Base, metaclass=Meta)\nA class.",
        "code:m.Third.method": dedent('''\
            def method(self):
                def inner():
                    return """
                    not dedented
                """
                return inner'''),
        "doc:m.Third.method": "def method(self)\nA method.",
        "code:m.Third.method.<locals>.inner": 'def inner():\n    return """\n        not dedented\n    """',
        "doc:m.Third.method.<locals>.inner": "def inner()\nInside.",
        "code:m.Third.Inner": dedent("""\
            class Inner:

                @property
                def deep(self) -> int:
                    return 1"""),
        "doc:m.Third.Inner": "class Inner\nNested.",
        "code:m.Third.Inner.deep": "@property\ndef deep(self) -> int:\n    return 1",
        "doc:m.Third.Inner.deep": "def deep(self) -> int\nDeep.",
        "code:m._private": "def _private():\n    ...",
        "doc:m._private": "def _private()\nPrivate.",
        "code:m.branch": "def branch():\n    ...",
        "doc:m.branch": "def branch()\nYes.",
        "code:m.branch#2": "def branch():\n    ...",
        "doc:m.branch#2": "def branch()\nNo.",
    }


def test_metadata(tmp_path: Path) -> None:
    documents = read_source(tmp_path, SOURCE)
    common = {"module": "m", "file": "m.py"}
    assert documents["module:m"].metadata == {**common, "kind": "module", "name": "m", "line": 1}
    assert documents["code:m.first"].metadata == {**common, "kind": "code", "name": "first", "line": 10}
    line = SOURCE.split("\n").index("        def deep(self) -> int:") + 1
    deep = {**common, "kind": "documentation", "name": "Third.Inner.deep", "line": line}
    assert documents["doc:m.Third.Inner.deep"].metadata == deep
    assert documents["doc:m.branch#2"].metadata == {**common, "kind": "documentation", "name": "branch", "line": 58}


def test_public_only(tmp_path: Path) -> None:
    public = read_source(tmp_path, SOURCE, public_only=True)
    left_out = {"m._private", "m.Third.method.<locals>.inner"}
    assert public.keys() == {id_ for id_ in read_source(tmp_path, SOURCE) if id_.partition(":")[2] not in left_out}


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ('def f(): "doc"', "def f(): ..."),
        ('def f(): "doc"; return 1', "def f(): return 1"),
        ('def f(): "doc" ; x = 1; return x\n', "def f(): x = 1; return x"),
        ('def f(): "doc";\n', "def f(): ..."),
        ('def f():\n    "doc"; return 1\n', "def f():\n    return 1"),
        ('def f():\n    "doc";\n    return 1\n', "def f():\n    return 1"),
        ('def f():\n    "doc"; \\\n    return 1\n', "def f():\n    return 1"),
        ('def f():\n    "doc"  # note\n    return 1\n', "def f():\n      # note\n    return 1"),
        ('def f():\n    "doc";  # note\n    return 1\n', "def f():\n      # note\n    return 1"),
        ('def f():\n    # first\n    "doc"\n    # last\n', "def f():\n    # first\n    ..."),
        ('def f():\n    ("d"\n     "oc")\n    return 1\n', "def f():\n    return 1"),
        ('def f():\n    "d" \\\n    "oc"\n    return 1\n', "def f():\n    return 1"),
        ('def f():\n    """d\n\n  oc"""\n    return 1\n', "def f():\n    return 1"),
        ("def f():\n    \"doc\"\n    \"second\"\n    '''third'''\n    return 1\n", "def f():\n    return 1"),
        ('def f():\n    "doc"; "second"; return 1\n', "def f():\n    return 1"),
        ('def f():\n    "doc"\n    f"{1}"\n', 'def f():\n    f"{1}"'),
        ('def f():\n    "doc"\n    b"bytes"\n', 'def f():\n    b"bytes"'),
        ('def f():\n    r"""d\\o"""\n    return 1\n', "def f():\n    return 1"),
        ('def f():\n    u"doc"\n    return 1\n', "def f():\n    return 1"),
        ('def f():\n\t"doc"\n\tif 1:\n\t\treturn 1\n', "def f():\n\tif 1:\n\t\treturn 1"),
        ('def f():\r\n    """d\r\n    oc"""\r\n    return """a\r\n"""\r\n', 'def f():\n    return """a\n"""'),
        ('def f():\r    "doc"\r    return 1\r', "def f():\n    return 1"),
        ('def f(): # note\n    "doc"\n    return 1 # end\n# behind\n', "def f(): # note\n    return 1"),
        ('x = "é"; y = 1\ndef f(é="ü"): "döc"; return é\n', 'def f(é="ü"): return é'),
        ('def f(\n    a,\n): "doc"', "def f(\n    a,\n): ..."),
        ('def f():\n    "doc\x0c\x1c\u2028"\n    return 1\n', "def f():\n    return 1"),
        ('def f():\n\x0c    "doc"\n    return 1\n', "def f():\n    return 1"),
        ('@a\n@b(\n  1\n)\nasync def f(): "doc"', "@a\n@b(\n  1\n)\nasync def f(): ..."),
        ('class f: "doc"', "class f: ..."),
        ('class f(A, b=C):\n    "doc"\n    x = 1', "class f(A, b=C):\n    x = 1"),
    ],
)
def test_the_docstring_is_cut_out(tmp_path: Path, source: str, code: str) -> None:
    assert read_code(tmp_path, source.encode()) == code


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("class C:\n    def f(self):\n        'doc'\n        return 1\n", "def f(self):\n    return 1"),
        ("class C:\n\tdef f(self):\n\t\t'doc'\n\t\treturn 1\n", "def f(self):\n\treturn 1"),
        (
            "class C:\n    @a\n    def f(self):\n        'doc'\n# left\n  # half\n\n        return (1,\n  2)\n",
            "@a\ndef f(self):\n# left\n# half\n\n    return (1,\n2)",
        ),
        (
            "class C:\n    def f(self):\n        'doc'\n        return ('a'\n                'b')\n",
            "def f(self):\n    return ('a'\n            'b')",
        ),
        (
            "class C:\n    def f(self):\n        'doc'\n        return ('''a'''\n                '''b\n        c''')\n",
            "def f(self):\n    return ('''a'''\n            '''b\n        c''')",
        ),
        (
            "class C:\n    def f(self):\n        'doc'\n        return 'a\\\n        b'\n",
            "def f(self):\n    return 'a\\\n        b'",
        ),
        (
            "class C:\n    def f(self):\n        'doc'\n        return f'''\n        {self}\n        a'''\n",
            "def f(self):\n    return f'''\n        {self}\n        a'''",
        ),
        ("if 1:\n  class C:\n    def f(self): 'doc'\n", "def f(self): ..."),
        ("class C:\n    é = 1\n    def f(self, ü): 'döc'; return ü\n", "def f(self, ü): return ü"),
    ],
)
def test_methods_are_dedented_and_their_strings_are_not(tmp_path: Path, source: str, code: str) -> None:
    assert read_code(tmp_path, source, "C.f") == code


@pytest.mark.parametrize("body", ['f"doc"', 'b"doc"', "...", '""', '"  "', "1", '"a" % 1', 'x = "doc"'])
def test_what_is_no_docstring_gives_no_document(tmp_path: Path, body: str) -> None:
    assert read_source(tmp_path, f"def f():\n    {body}\n    return 1\n") == {}


def test_definitions_are_found_in_every_block(tmp_path: Path) -> None:
    source = """\
        try:
            def a(): "1"
        except E:
            def b(): "2"
        else:
            def c(): "3"
        finally:
            def d(): "4"
        for x in y:
            with z:
                def e(): "5"
        else:
            def f(): "6"
        match x:
            case 1:
                def g(): "7"
        while 1:
            class H: "8"
    """
    assert [id_ for id_ in read_source(tmp_path, source) if id_.startswith("doc:")] == [
        f"doc:m.{name}" for name in "abcdefgH"
    ]


def test_long_chains_of_branches_are_read(tmp_path: Path) -> None:
    lines = ["if x == 0: pass"] + [f"elif x == {number}: pass" for number in range(900)]
    source = "\n".join([*lines, "else:", "    def f(): 'doc'", ""])
    path = tmp_path / "m.py"
    path.write_text(source)
    documents = list(python_documents(path, on_error="skip"))
    assert [document.id for document in documents] in (["code:m.f", "doc:m.f"], [])  # Some parsers nest no deeper.


def test_overloads_and_properties_are_numbered(tmp_path: Path) -> None:
    source = '''\
        class C:
            @overload
            def f(self, a: int) -> int:
                """Of a number."""
            @overload
            def f(self, a: str) -> str:
                """Of a string."""
            def f(self, a):
                return a
            @property
            def p(self):
                """Gives p."""
            @p.setter
            def p(self, value):
                """Sets p."""
            @p.deleter
            def p(self):
                """Drops p."""
    '''
    texts = read_texts(tmp_path, source)
    assert [id_ for id_ in texts if id_.startswith("doc:")] == [
        "doc:m.C.f",
        "doc:m.C.f#2",
        "doc:m.C.p",
        "doc:m.C.p#2",
        "doc:m.C.p#3",
    ]
    assert texts["doc:m.C.f#2"] == "def f(self, a: str) -> str\nOf a string."
    assert texts["code:m.C.p#2"] == "@p.setter\ndef p(self, value):\n    ..."


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are of Python 3.12")
def test_type_parameters_belong_to_the_signature(tmp_path: Path) -> None:
    assert read_texts(tmp_path, 'def f[T: int](x: T) -> T:\n    "doc"')["doc:m.f"] == "def f[T: int](x: T) -> T\ndoc"


def test_signatures_with_colons_and_strings(tmp_path: Path) -> None:
    source = "def f(a: 'x:y' = y[1:2], *, b={1: ':\\n    pass'}) -> {1: 2}: 'doc: pass'"
    first, doc = read_texts(tmp_path, source)["doc:m.f"].split("\n")
    assert first == "def f(a: 'x:y'=y[1:2], *, b={1: ':\\n    pass'}) -> {1: 2}"
    assert doc == "doc: pass"


def test_encodings_as_pep_263_says(tmp_path: Path) -> None:
    latin = "# -*- coding: latin-1 -*-\ndef f(): 'caf\xe9'".encode("latin-1")
    assert read_texts(tmp_path, latin)["doc:m.f"] == "def f()\ncafé"
    marked = b"\xef\xbb\xbfdef f(): 'caf\xc3\xa9'"
    assert read_texts(tmp_path, marked)["doc:m.f"] == "def f()\ncafé"


def test_half_a_surrogate_pair_in_a_docstring_stays_an_escape(tmp_path: Path) -> None:
    texts = read_texts(tmp_path, 'def f():\n    "a \\udc80 b"\n    return "\\udc80"')
    assert texts["doc:m.f"] == "def f()\na \\udc80 b"
    assert texts["code:m.f"] == 'def f():\n    return "\\udc80"'


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (b"x = 1\ndef f(:\n", ":2: does not parse as Python 3."),
        (b"print 'x'\n", ":1: does not parse as Python 3."),
        (
            b"x = 1\n\nx = '\xe9'\n",
            ":3: byte 0xe9 is not valid utf-8; name the encoding in the first line (# coding: NAME)",
        ),
        (b"# coding: no-such\n", ":1: does not parse as Python 3."),
        (b"# coding: hex\nx = 1\n", ":1: does not parse as Python 3."),
        (b"x = '\0'\n", ":1: does not parse as Python 3."),
        (b"x = " + b"(" * 5_000 + b")" * 5_000, ":1: does not parse as Python 3."),
    ],
)
def test_files_that_are_no_python_are_bad_rows(tmp_path: Path, source: bytes, problem: str) -> None:
    (tmp_path / "a.py").write_bytes(b"'''Good.'''")
    (tmp_path / "b.py").write_bytes(source)
    (tmp_path / "c.py").write_bytes(b"'''Good.'''")
    with pytest.raises(SourceError) as caught:
        list(read_documents(tmp_path))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'b.py'}{problem}")
    assert "\n" not in message
    report = ReadReport()
    documents = list(read_documents(tmp_path, ReadOptions(on_error="skip"), report))
    assert [document.id for document in documents] == ["module:a", "module:c"]
    assert report.messages == [message]
    assert report.rows_skipped == 1
    assert list(python_documents(tmp_path, on_error="skip")) == documents


def test_escapes_that_warn_are_read_in_silence(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_texts(tmp_path, b"def f(): 'a\\d'")["doc:m.f"] == "def f()\na\\d"


def write_tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""Of {path.name}."""\ndef f(): "doc"\n')
    return root


def test_modules_are_named_by_their_place_and_come_in_its_order(tmp_path: Path) -> None:
    root = write_tree(tmp_path, "b/__init__.py", "b/c.py", "b/sub/d.py", "a.py", "__init__.py", "b-x.py", ".git/no.py")
    modules = [document.id for document in python_documents(root) if document.id.startswith("module:")]
    assert modules == ["module:__init__", "module:a", "module:b-x", "module:b", "module:b.c", "module:b.sub.d"]
    assert list(python_documents(root)) == list(python_documents(root)) == list(read_documents(root))
    assert [document.id for document in read_documents(root / "b" / "c.py")] == ["module:c", "code:c.f", "doc:c.f"]


def test_folders_files_and_modules_are_skipped_by_name(tmp_path: Path) -> None:
    root = write_tree(tmp_path, "a.py", "test/x.py", "b/tests.py", "b/test_c.py", "b/config-3/x.py", "tester.py")
    skip = ("test", "tests.py", "test_*", "config-*")
    names = [document.metadata["module"] for document in python_documents(root, skip=skip)]
    assert names == ["a"] * 3 + ["tester"] * 3
    assert list(python_documents(root, skip=["a", "b", "test", "tester"])) == []


def test_private_modules_are_left_out_of_the_public_ones(tmp_path: Path) -> None:
    root = write_tree(tmp_path, "_a.py", "b/_c/d.py", "b/__main__.py", "b/e.py")
    (root / "_bad.py").write_text("not python")
    assert {document.metadata["module"] for document in python_documents(root, public_only=True)} == {"b.e"}


def test_names_that_meet_in_two_modules_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/__init__.py").write_text('class b:\n    def f(self): "one"\n')
    (tmp_path / "a/b.py").write_text('def f(): "two"\n')
    (tmp_path / "a.py").write_text('class b:\n    def f(self): "zero"\n')
    texts = {document.id: document.text.split("\n")[-1] for document in python_documents(tmp_path)}
    assert [(id_, text) for id_, text in texts.items() if id_.startswith("doc:")] == [
        ("doc:a.b.f", "zero"),
        ("doc:a.b.f#2", "one"),
        ("doc:a.b.f#3", "two"),
    ]


def test_a_tree_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone: cannot be read \(No such file or directory\)"):
        list(python_documents(tmp_path / "gone"))


def test_a_file_name_that_is_no_text_is_a_bad_row(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.py")).write_text("'''a'''")
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(SourceError, match="is not valid UTF-8 and gives no id; rename the file"):
        list(python_documents(tmp_path))


def definitions_without_docstrings(source: str) -> dict[int, ast.AST]:
    """By line, the definitions as the parser sees them in their file, less the strings at the head of their bodies."""
    found: dict[int, ast.AST] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            # The children of a node come after it, so their bodies are changed in place as the walk goes on.
            node.body = list(dropwhile(is_string, node.body)) or [ast.Expr(ast.Constant(...))]
            found[node.lineno] = node
    return found


def is_string(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@pytest.mark.parametrize("name", ["argparse", "textwrap", "dataclasses", "heapq", "zipfile", "typing", "contextlib"])
def test_the_code_of_the_standard_library_is_whole_but_for_docstrings(name: str) -> None:
    root = standard_library_root()
    path = root / f"{name}.py" if (root / f"{name}.py").exists() else root / name / "__init__.py"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codes = [document for document in python_documents(path) if document.metadata["kind"] == "code"]
        wanted = definitions_without_docstrings(path.read_text(encoding="utf-8"))
        assert len(codes) > 5
        for document in codes:
            [parsed] = ast.parse(document.text).body
            assert isinstance(parsed, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            assert ast.get_docstring(parsed) is None
            line = document.metadata["line"]
            assert isinstance(line, int)
            assert ast.dump(parsed) == ast.dump(wanted[line])


def test_the_standard_library_gives_a_corpus() -> None:
    documents = list(python_documents(standard_library_root(), skip=STANDARD_LIBRARY_SKIP, public_only=True))
    assert 5_000 <= len(documents) <= 8_000
    by_id = {document.id: document for document in documents}
    assert len(by_id) == len(documents)
    assert by_id["doc:textwrap.dedent"].text.startswith("def dedent(text)\nRemove any common leading whitespace")
    assert by_id["code:heapq.heappush"].text == (
        "def heappush(heap, item):\n    heap.append(item)\n    _siftdown(heap, 0, len(heap)-1)"
    )
    kinds = [document.metadata["kind"] for document in documents]
    assert kinds.count("code") == kinds.count("documentation") > 10 * kinds.count("module") > 2_000
    modules = [document.metadata["module"] for document in documents]
    assert not [module for module in modules if "test" in str(module).split(".") or str(module).startswith("_")]
