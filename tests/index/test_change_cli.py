from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tart import Document, Encoder
from tart.__main__ import tart
from tart.errors import TartError
from tart_index import BuildOptions, Corpus, IndexFolder, build_index


def run(*arguments: object, stdin: str | None = None) -> Result:
    """Runs the command in this process."""
    result = CliRunner().invoke(tart, [str(argument) for argument in arguments], input=stdin)
    if result.exception and not isinstance(result.exception, (TartError, SystemExit)):
        raise result.exception
    return result


def told(*arguments: object, stdin: str | None = None) -> dict[str, object]:
    """What a command says as JSON."""
    result = run(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.exception
    body: dict[str, object] = json.loads(result.stdout)
    return body


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder, documents: list[Document]) -> Path:
    path = tmp_path_factory.mktemp("changes") / "i"
    corpus = Corpus.from_documents("documents", lambda: iter(documents[:6]))
    build_index(corpus, path, encoder, BuildOptions(part_size=4))
    return path


@pytest.fixture
def index(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "i")
    return tmp_path / "i"


def lines(*documents: Document) -> str:
    return "".join(json.dumps({"id": d.id, "title": d.title, "text": d.text}) + "\n" for d in documents)


def test_add_upsert_and_delete(index: Path, tmp_path: Path, documents: list[Document]) -> None:
    (tmp_path / "new.jsonl").write_text(lines(*documents[6:9]))
    body = told("index", "add", index, tmp_path / "new.jsonl")
    assert (body["added"], body["embedded"], body["documents"], body["version"]) == (3, 3, 9, 2)
    body = told("index", "upsert", index, "-", stdin=lines(Document("d7", "other words"), documents[8]))
    assert (body["replaced"], body["unchanged"], body["embedded"], body["version"]) == (1, 1, 1, 3)
    body = told("index", "delete", index, "d0", "-", stdin="d1\n\nnothing\n")
    assert (body["deleted"], body["not_found"], body["documents"], body["version"]) == (2, 1, 7, 4)
    assert set(IndexFolder.open(index).ids()) == {"d2", "d3", "d4", "d5", "d6", "d7", "d8"}


def test_an_id_that_is_there_is_refused_in_one_line(index: Path) -> None:
    result = run("index", "add", index, "-", stdin=lines(Document("d1", "other words")))
    assert isinstance(result.exception, TartError)
    assert "the id 'd1' is in" in str(result.exception)
    body = told("index", "add", index, "-", "--existing", "skip", stdin=lines(Document("d1", "other words")))
    assert (body["unchanged"], body["version"]) == (1, 1)


def test_versions_restore_diff_and_snapshot(index: Path, tmp_path: Path) -> None:
    assert "2 deleted; 4 documents, version 2" in run("index", "delete", index, "d0", "d1").output
    assert [row["version"] for row in json.loads(run("index", "versions", index, "--json").output)] == [1, 2]
    assert "6 documents" in run("index", "versions", index).output
    assert run("index", "diff", index, 1, 2).output == "- d0\n- d1\n"
    assert told("index", "diff", index, 2, 1) == {"added": ["d0", "d1"], "removed": [], "changed": []}
    assert "version 3 holds the 6 documents of version 1" in run("index", "restore", index, 1).output
    assert "6 documents" in run("index", "snapshot", index, tmp_path / "copy").output
    assert len(IndexFolder.open(tmp_path / "copy")) == 6


def test_compact_says_what_is_left(index: Path) -> None:
    run("index", "delete", index, "d0")
    assert "5 documents in 1 parts, version 3" in run("index", "compact", index).output
    assert len(IndexFolder.open(index).manifest.parts) == 1


def test_deleting_nothing_changes_nothing(index: Path) -> None:
    assert "1 not found; 6 documents, version 1" in run("index", "delete", index, "nothing").output


@pytest.mark.parametrize("command", [["delete", "x"], ["compact"], ["versions"], ["restore", 1], ["diff", 1, 2]])
def test_a_folder_that_is_no_index_is_refused(tmp_path: Path, command: list[object]) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.txt").write_text("precious")
    result = run("index", command[0], tmp_path / "else", *command[1:])
    assert isinstance(result.exception, TartError)
    assert [file.name for file in (tmp_path / "else").iterdir()] == ["thesis.txt"]
