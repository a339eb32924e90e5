from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tart.documents import Document
from tart_index.cli import index
from tart_index.folder import IndexFolder
from tart_index.searcher import Searcher, SearchRequest
from tests.index.clustered import clustered, write_index


def tart_index(*arguments: str | Path) -> Result:
    return CliRunner().invoke(index, [str(one) for one in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "index"
    write_index(path, clustered(2_000, 32, 0))
    return path


def test_tune_says_what_was_made_and_info_and_report_show_it(folder: Path, tmp_path: Path) -> None:
    made = tart_index("tune", folder, "--structure", "IVF16,SQ8", "--recall", "0.9", "--sample", "40", "--threads", "1")
    assert made.exit_code == 0, made.output
    assert "IVF16,SQ8" in made.output
    assert "of the 10 nearest in" in made.output
    again = tart_index("tune", folder, "--structure", "IVF16,SQ8", "--recall", "0.9", "--json")
    body = json.loads(again.output)
    assert (body["changed"], body["structure"]["factory"]) == (False, "IVF16,SQ8")
    assert body["structure"]["chosen"][0]["k"] == 10
    assert "IVF16,SQ8, recall at 10" in tart_index("info", folder).output
    page = tmp_path / "page.html"
    assert tart_index("report", folder, "--out", page).exit_code == 0
    assert page.read_text().count("<svg") == len(body["structure"]["chosen"])
    assert tart_index("verify", folder).exit_code == 0


def test_an_exact_index_has_a_report_too(folder: Path, tmp_path: Path) -> None:
    assert tart_index("report", folder, "--out", tmp_path / "page.html").exit_code == 0
    assert "search is exact" in (tmp_path / "page.html").read_text()


def test_small_indexes_are_told_to_stay_exact(folder: Path) -> None:
    assert "so few vectors are searched exactly" in tart_index("tune", folder).output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recall", "1.5"], "1.5 is not in the range"),
        (["--memory", "many"], "wanted a size such as 512M or 8G"),
        (["--structure", "IVF16,SQ8", "--queries", "absent.jsonl"], "does not exist"),
    ],
)
def test_wrong_options_are_refused(folder: Path, options: list[str], message: str) -> None:
    refused = tart_index("tune", folder, *options)
    assert refused.exit_code == 2
    assert message in refused.output


def test_build_makes_a_structure_and_search_uses_it(
    write_jsonl: Callable[[Sequence[Document]], Path], tmp_path: Path
) -> None:
    words = "merge sort read write open close hash parse split join".split()  # noqa: SIM905
    documents = [Document(f"d{n}", f"{words[n % 10]} {words[n // 10 % 10]} number {n}") for n in range(300)]
    out = tmp_path / "index"
    built = tart_index(
        "build",
        write_jsonl(documents),
        "--out",
        out,
        "--model",
        "all-MiniLM-L6-v2",
        "--structure",
        "IVF4,Flat",
        "--recall",
        "0.9",
        "--json",
    )
    assert built.exit_code == 0, built.output
    body = json.loads(built.output)
    assert (body["documents"], body["structure"]["factory"], body["version"]) == (300, "IVF4,Flat", 2)
    queries = tmp_path / "queries.jsonl"
    queries.write_text("".join(json.dumps({"query": f"{a} {b}"}) + "\n" for a in words for b in words[:3]))
    tuned = tart_index("tune", out, "--structure", "IVF8,Flat", "--queries", queries, "--recall", "0.95", "--json")
    structure = json.loads(tuned.output)["structure"]
    assert structure["queries"] == "queries"
    searcher = Searcher.open(out)
    near, exact = (
        searcher.search([SearchRequest("merge sort", top_k=5, exact=exact)])[0].hits for exact in (False, True)
    )
    assert exact[0].document.id == near[0].document.id
    rebuilt = tart_index("build", tmp_path / "corpus.jsonl", "--out", out, "--model", "all-MiniLM-L6-v2", "--json")
    assert json.loads(rebuilt.output)["changed"] is False
    structure_now = IndexFolder.open(out).manifest.structure
    assert structure_now is not None
    assert structure_now.factory == "IVF8,Flat"


def test_queries_that_are_none_are_refused_with_their_line(
    write_jsonl: Callable[[Sequence[Document]], Path], tmp_path: Path
) -> None:
    out = tmp_path / "index"
    documents = [Document(f"d{n}", f"text {n}") for n in range(60)]
    tart_index("build", write_jsonl(documents), "--out", out, "--model", "all-MiniLM-L6-v2")
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"query": "a"}\n{"text": "b"}\n')
    runner = CliRunner().invoke(index, ["tune", str(out), "--structure", "IVF4,Flat", "--queries", str(queries)])
    assert "queries.jsonl:2: not a query" in str(runner.exception)
    queries.write_text('{"query": "a"}\n')
    runner = CliRunner().invoke(index, ["tune", str(out), "--structure", "IVF4,Flat", "--queries", str(queries)])
    assert "1 queries measure no recall" in str(runner.exception)
