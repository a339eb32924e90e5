from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tart import Document, Encoder
from tart.engines import Hardware
from tart.errors import ModelError
from tart.spread import SpreadEncoder, _hardware, spread
from tart_index import BuildOptions, Corpus, IndexFolder, build_index
from tart_index.cli import index
from tests.tiny_models import tiny_encoder

WORDS = "merge two dictionaries sort a list read compress bytes parse dates open sockets hash text".split()  # noqa: SIM905
DOCUMENTS = [
    Document(str(n), " ".join(WORDS[(n * step) % len(WORDS)] for step in range(1, 3 + n % 17))) for n in range(60)
]
SMALL = BuildOptions(part_size=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_encoder(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture(scope="module")
def single(model: str) -> Encoder:
    return Encoder.load(model, device="cpu", dtype="float32", threads=1)


@pytest.fixture(scope="module")
def two(model: str) -> Iterator[SpreadEncoder]:
    with spread(model, ["cpu", "cpu"], dtype="float32", threads=2) as encoder:
        yield encoder


def corpus(documents: list[Document] = DOCUMENTS) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


def parts(folder: Path) -> dict[str, bytes]:
    files = sorted((folder / "parts").rglob("*.*"))
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}


def test_an_index_of_two_processes_is_that_of_one_byte_for_byte(
    tmp_path: Path, single: Encoder, two: SpreadEncoder
) -> None:
    wanted = build_index(corpus(), tmp_path / "one", single, SMALL)
    told: list[int] = []

    class Told:
        def checked(self, documents: int) -> None: ...
        def start(self, total: int | None) -> None: ...
        def done(self, documents: int) -> None:
            told.append(documents)

    found = build_index(corpus(), tmp_path / "two", two, SMALL, Told())
    assert (found.embedded, sum(told)) == (60, 60)
    assert found.manifest.fingerprint == wanted.manifest.fingerprint
    assert parts(tmp_path / "two") == parts(tmp_path / "one")
    assert list(IndexFolder.open(tmp_path / "two").documents()) == DOCUMENTS
    assert build_index(corpus(), tmp_path / "two", two, SMALL).changed is False


def test_queries_and_order_are_those_of_one_device(single: Encoder, two: SpreadEncoder) -> None:
    texts = [document.text for document in DOCUMENTS]
    assert np.array_equal(two.encode_queries(texts), single.encode_queries(texts))
    lists = [two.tokenize_documents(DOCUMENTS[start : start + 7]) for start in range(0, 60, 7)]
    found = [future.result() for future in [two.submit(tokens) for tokens in lists]]
    assert np.array_equal(np.concatenate(found), single.encode_documents(DOCUMENTS))
    direct = two._engine.embed([lists[0][row] for row in range(7)], lists[0].skip.tolist())
    assert np.array_equal(direct, found[0])
    assert (two.dim, two.in_hand, two.fingerprint) == (single.dim, 4, single.fingerprint)


def test_a_process_that_dies_is_a_clear_error_and_the_next_build_goes_on(
    tmp_path: Path, model: str, single: Encoder
) -> None:
    out = tmp_path / "index"
    before = build_index(corpus(DOCUMENTS[:8]), out, single, SMALL).manifest

    def documents() -> Iterator[Document]:
        for number, document in enumerate(DOCUMENTS):
            if number == 40 and passes:
                os.kill(next(iter(encoder.processes._pool._processes)), signal.SIGKILL)
            yield document
        passes.append(1)

    passes: list[int] = []
    with spread(model, ["cpu"], dtype="float32", threads=1) as encoder:  # noqa: SIM117
        with pytest.raises(ModelError, match=r"embeds on cpu has died .* run the same command again"):
            build_index(Corpus.from_documents("documents", documents), out, encoder, SMALL)
    assert IndexFolder.open(out).manifest == before
    again = build_index(corpus(), out, single, SMALL)
    assert again.embedded < 60 - 8
    build_index(corpus(), tmp_path / "undisturbed", single, SMALL)
    assert parts(out) == parts(tmp_path / "undisturbed")


def test_processes_end_with_a_feeder_that_is_killed(model: str) -> None:
    code = (
        "import sys\nfrom tart.spread import spread\n"
        "if __name__ == '__main__':\n"
        "    with spread(sys.argv[1], ['cpu'], dtype='float32') as encoder:\n"
        "        print(*encoder.processes._pool._processes, flush=True)\n"
        "        sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, model]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as feeder:
        assert feeder.stdout is not None
        pids = [int(pid) for pid in feeder.stdout.readline().split()]
        assert len(pids) == 1
        assert all(map(is_running, pids))
        feeder.kill()
    limit = time.monotonic() + 60
    while any(map(is_running, pids)) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not any(map(is_running, pids))


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_cpu_threads_are_divided_and_number_types_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one.threads for one in _hardware(["cpu", "cpu"], "float32", 5)] == [2, 2]
    assert [one.threads for one in _hardware(["cpu"] * 3, "float32", 2)] == [1, 1, 1]
    with pytest.raises(ModelError, match="no device is named"):
        _hardware([], None, None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert [one.device for one in _hardware(["cuda"], "float32", 8)] == ["cuda:0", "cuda:1", "cuda:2"]

    def choose(device: str, dtype: str | None, threads: int | None) -> Hardware:
        return Hardware(device, "bfloat16" if device == "cuda:0" else "float32", 1)

    monkeypatch.setattr(Hardware, "choose", choose)
    with pytest.raises(ModelError, match="cuda:0: bfloat16, cpu: float32"):
        _hardware(["cuda:0", "cpu"], None, None)


def test_the_command_builds_on_several_devices(tmp_path: Path, model: str) -> None:
    source = tmp_path / "docs.jsonl"
    source.write_text("".join(f'{{"id": "{n}", "text": "text {n}"}}\n' for n in range(12)))
    arguments = ["build", str(source), "--out", str(tmp_path / "i"), "--model", model, "--dtype", "float32"]
    run = CliRunner().invoke(index, [*arguments, "--devices", "cpu", "--threads", "1", "--part-size", "4"])
    assert run.exit_code == 0, run.output
    assert IndexFolder.open(tmp_path / "i").manifest.count == 12
    refused = CliRunner().invoke(index, [*arguments, "--devices", "cpu", "--device", "cpu"])
    assert (refused.exit_code, "wanted one of the two" in refused.output) == (2, True)
