from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tart import Document
from tart.__main__ import tart
from tart.errors import TartError
from tart.models import locate
from tart_index import IndexFolder

COMMAND = [sys.executable, "-m", "tart"]


def run(*arguments: object, stdin: str | None = None) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(tart, [str(argument) for argument in arguments], input=stdin)


def refused(*arguments: object, stdin: str | None = None) -> str:
    """The message of a command that must fail with an error that the user can mend."""
    result = run(*arguments, stdin=stdin)
    assert isinstance(result.exception, TartError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, documents: list[Document]) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    rows = [{"_id": d.id, "name": d.title, "body": d.text, "n": d.metadata["number"]} for d in documents]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run(
        *("index", "build", folder / "corpus.jsonl", "--out", folder / "i", "--dtype", "float32", "--part-size", 8),
        *("--fields", "id=_id,title=name,text=body,metadata=n", "--prompt", "code=find code"),
    )
    assert result.exit_code == 0, result.output
    assert "20 documents, version 1; 20 embedded now, 0 taken over" in result.output
    return folder / "i"


def test_help_shows_all_commands_with_examples() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in ("demo", "index", "search", "serve"):
        assert f"  {command} " in result.output
    for arguments in (["index", "build"], ["index", "info"], ["index", "verify"], ["search"], ["demo"], ["serve"]):
        assert f"tart {' '.join(arguments)} " in run(*arguments, "--help").output


def test_build_keeps_mapped_fields(built: Path, documents: list[Document]) -> None:
    found = list(IndexFolder.open(built).documents())
    assert [(d.id, d.title, d.text, d.metadata) for d in found] == [
        (d.id, d.title, d.text, {"n": d.metadata["number"]}) for d in documents
    ]


def test_info_tells_what_is_there(built: Path) -> None:
    output = run("index", "info", built).output
    for line in ("documents", "20 (0 longer than the model takes", "384 x float32", "tart-dual (float32, 256"):
        assert line in output
    body = json.loads(run("index", "info", built, "--json").output)
    assert (body["count"], body["dim"], body["prompts"]) == (20, 384, {"code": "find code"})


def test_verify_says_sound(built: Path) -> None:
    assert "sound: 20 documents in 3 parts" in run("index", "verify", built).output
    body = json.loads(run("index", "verify", built, "--json").output)
    assert (body["documents"], body["parts"]) == (20, 3)


def test_verify_finds_a_flipped_byte(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "i")
    file = next((tmp_path / "i" / "parts").glob("*/vectors.npy"))
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(bytes(content))
    assert "its bytes have changed" in refused("index", "verify", tmp_path / "i")


def test_search_prints_hits(built: Path, documents: list[Document]) -> None:
    output = run("search", built, documents[9].text, "-i", "find the same text", "-k", 3).output
    assert output.startswith("  1. ")
    assert "Title 9" in output.splitlines()[0]


def test_search_prints_json(built: Path, documents: list[Document]) -> None:
    body = json.loads(run("search", built, documents[9].text, "-i", " find  it", "-k", 2, "--json").output)
    assert body["instruction_applied"] == "find it"
    assert [hit["rank"] for hit in body["data"]] == [1, 2]
    assert body["data"][0]["id"] == "d9"
    assert body["data"][0]["metadata"] == {"n": 9}
    assert body["has_more"] is True


def test_search_answers_json_lines_with_json_lines(built: Path) -> None:
    lines = [
        {"query": "merge two dictionaries", "top_k": 1},
        {"query": "merge two dictionaries", "instruction": "find code", "top_k": 2},
        {"query": "merge two dictionaries", "prompt_name": "code", "top_k": 2},
    ]
    result = run("search", built, "-", stdin="".join(json.dumps(line) + "\n" for line in lines))
    assert result.exit_code == 0
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [len(answer["data"]) for answer in answers] == [1, 2, 2]
    assert [answer["instruction_applied"] for answer in answers] == ["", "find code", "find code"]
    assert answers[1]["data"] == answers[2]["data"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "line 2: not JSON"),
        ("[1]", "line 2: found a list"),
        ('{"text": "x"}', r"line 2: unknown fields ['text']"),
        ('{"top_k": 3}', "line 2: no query text"),
        ('{"query": "x", "top_k": "3"}', "line 2: top_k is '3'"),
        ('{"query": "x", "top_k": 0}', "line 2: top_k is 0"),
        ('{"query": " "}', "the query is empty"),
        ('{"query": "x", "prompt_name": "nope"}', "no named instruction 'nope'"),
        ('{"query": "' + "word " * 300 + '"}', "together have 302 tokens"),
    ],
)
def test_a_bad_line_gives_an_error_and_the_others_their_hits(built: Path, line: str, message: str) -> None:
    result = run("search", built, "-", stdin='{"query": "merge"}\n' + line + '\n{"query": "sort"}\n')
    answers = [json.loads(answer) for answer in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert message in answers[1]["error"]
    assert [len(answers[0]["data"]), len(answers[2]["data"])] == [10, 10]


def test_bad_input_is_refused_in_one_line(built: Path, tmp_path: Path) -> None:
    corpus, out = tmp_path / "c.jsonl", tmp_path / "out"
    build = ("index", "build", corpus, "--out", out)
    assert "no such file or folder" in refused(*build)
    cases = {
        "": "it is empty",
        "{": "c.jsonl:1: ",
        '{"text": "x"}': "c.jsonl:1: ",
        '{"id": "a"}': "c.jsonl:1: ",
        '{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}': "c.jsonl:2: the id 'a' stands a second time",
    }
    for content, message in cases.items():
        corpus.write_text(content)
        assert message in refused(*build)
    corpus.write_bytes(b'{"id": "a", "text": "caf\xe9"}')
    assert "--encoding" in refused(*build)
    corpus.write_text('{"id": "a", "text": "x"}')
    assert "holds something else" in refused("index", "build", corpus, "--out", tmp_path)
    assert "no model 'nothing'" in refused(*build, "--model", "nothing")
    assert "Traceback" not in run(*build, "--prompt", "nothing").output
    assert "no index at" in refused("search", tmp_path, "x")
    assert "the query is empty" in refused("search", built, " ")
    assert "together have" in refused("search", built, "word " * 300)
    assert "the instruction alone takes" in refused("search", built, "x", "-i", "word " * 300)
    assert not (out / "manifest.json").exists()


def test_truncated_documents_are_reported(tmp_path: Path) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text(json.dumps({"id": "a", "text": "word " * 300}) + '\n{"id": "b", "text": "y"}\n')
    result = run("index", "build", corpus, "--out", tmp_path / "i", "--dtype", "float32")
    assert "1 documents were longer than the model's 256 tokens; their ends are not searched" in result.output


def test_an_index_of_another_model_or_format_is_refused(built: Path, tmp_path: Path) -> None:
    other = tmp_path / "model"
    shutil.copytree(locate("all-MiniLM-L6-v2"), other)
    (other / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    assert "was built with model 'tart-dual'" in refused("search", built, "x", "--model", other)
    shutil.copytree(built, tmp_path / "i")
    corpus = built.parent / "corpus.jsonl"
    build = ("index", "build", corpus, "--out", tmp_path / "i", "--fields", "id=_id,text=body")
    assert "say --replace" in refused(*build, "--model", other)
    assert "say --replace" in refused(*build, "--format", "plain")
    manifest = tmp_path / "i" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 3'))
    assert "folder format 3, this program reads 1 and 2" in refused("search", tmp_path / "i", "x")


def test_on_error_skip_reports_what_it_left_out(tmp_path: Path) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "x"}\nnonsense\n{"id": "b", "text": "y"}\n')
    result = run("index", "build", corpus, "--out", tmp_path / "i", "--on-error", "skip", "--dtype", "float32")
    assert "2 documents" in result.output
    assert "skipped rows: 1 not JSON" in result.output
    assert "c.jsonl:2" in result.output


def test_the_command_itself_prints_one_line_and_exits_with_2(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "search", str(tmp_path), "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tart: no index at")
    assert done.stderr.count("\n") == 1


def test_standard_input_is_a_corpus(tmp_path: Path) -> None:
    rows = '{"id": "a", "text": "merge two dicts"}\n{"id": "b", "text": "sort a list"}\n'
    done = subprocess.run(
        [*COMMAND, "index", "build", "-", "--out", str(tmp_path / "i"), "--json"],
        input=rows,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["documents"] == 2
    assert done.stderr == ""


def test_a_build_that_is_killed_again_and_again_ends_in_the_same_index(
    tmp_path: Path, write_jsonl: Callable[..., Path], documents: list[Document]
) -> None:
    many = [Document(f"{d.id}-{copy}", f"{d.text} {copy}", d.title) for copy in range(12) for d in documents]
    corpus = write_jsonl(many)

    def command(out: Path) -> list[str]:
        return [*COMMAND, "index", "build", str(corpus), "--out", str(out), "--part-size", "16", "--threads", "1"]

    subprocess.run(command(tmp_path / "wanted"), check=True, capture_output=True)
    for parts in (0, 1, 5):
        process = subprocess.Popen(command(tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_parts(tmp_path / "killed", parts, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run([*command(tmp_path / "killed"), "--json"], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["embedded"] < len(many)
    wanted, found = IndexFolder.open(tmp_path / "wanted"), IndexFolder.open(tmp_path / "killed")
    assert found.manifest.fingerprint == wanted.manifest.fingerprint
    assert sum(part.count for part in found.verify()) == len(many)


def wait_for_parts(out: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Returns when a build has finished so many parts."""
    while process.poll() is None and len(list((out / "parts").glob("*/part.json"))) < count:
        time.sleep(0.001)
