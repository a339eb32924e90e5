from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tart.errors import ModelError
from tart_index import gpus as gpus_module
from tart_index.ann.choose import Wanted
from tart_index.ann.making import QuietMaking, make
from tart_index.ann.stored import StoredStructure
from tart_index.ann.structures import make_structure
from tart_index.cli import index as index_command
from tart_index.doctor import examine
from tart_index.exact import ExactSearch
from tart_index.folder import IndexFolder
from tart_index.gpus import MOST_NEIGHBOURS, GpuExactSearch, Gpus, Placement
from tart_index.manifest import Manifest
from tart_index.searcher import Searcher
from tests.index.clustered import clustered, write_index
from tests.index.counting import counting_encoder
from tests.index.fake_gpus import FakeGpus, pretend_gpus

DIM = 32
# What GPUs do of each: k-means and the assignment to lists, k-means alone, nothing.
BOTH = ["IVF16,Flat", "IVF16,SQ8", "IVF16,PQ8x4fs,Refine(SQ8)", "PCA16,IVF16,SQ8", "IVF16,RaBitQ,Refine(SQ8)"]
KMEANS = ["IVF16,PQ8x4fsr", "IVF16,RaBitQfs", "IVF16_HNSW8,SQ8"]
NOTHING = ["HNSW16_SQ8", "HNSW16"]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeGpus:
    """Two GPUs."""
    return pretend_gpus(monkeypatch, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> IndexFolder:
    return write_index(tmp_path_factory.mktemp("gpus") / "index", clustered(3_000, DIM, 0))


class Said(QuietMaking):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def say(self, text: str) -> None:
        self.texts.append(text)


def made(folder: IndexFolder, factory: str, placement: Placement | None = None) -> bytes:
    made = make(folder, factory, threads=1, seed=0, progress=QuietMaking(), placement=placement)
    content: bytes = faiss.serialize_index(made).tobytes()
    return content


@pytest.mark.parametrize("device", ["auto", "cuda", None])
def test_all_gpus_are_used_unless_one_is_named(fake: FakeGpus, device: str | None) -> None:
    assert Gpus.choose(device) == Gpus((0, 1))
    assert str(Gpus.choose(device)) == "cuda:0,cuda:1"
    assert Gpus.choose("cuda:1") == Gpus((1,))
    assert Gpus.choose("cuda:2") == Gpus.choose("cpu") == Gpus.choose("mps") == Gpus()


def test_the_cpu_build_has_no_gpus_and_a_wrong_device_is_refused() -> None:
    assert Gpus.choose("cuda") == Gpus()
    assert str(Gpus()) == "cpu"
    with pytest.raises(ModelError, match="no device 'gpu'; wanted auto, cpu, cuda, cuda:N or mps"):
        Gpus.choose("gpu")


@pytest.mark.parametrize("factory", [*BOTH, *KMEANS, *NOTHING])
def test_a_structure_made_with_gpus_is_the_cpus_byte_for_byte(
    folder: IndexFolder, fake: FakeGpus, factory: str
) -> None:
    placement = Placement(Gpus.choose())
    assert made(folder, factory, placement) == made(folder, factory)
    wanted = {"adding": "cuda:0,cuda:1" if factory in BOTH else "cpu"}
    if "HNSW16" not in factory or "SQ8" in factory:
        wanted["k-means"] = "cpu" if factory in NOTHING else "cuda:0,cuda:1"
    assert placement.used == wanted
    # Nothing but flat quantisers is ever brought to a GPU: no structure that could be asked to filter.
    assert {kind for _, kind in fake.copied} <= {"IndexFlatIP", "IndexFlatL2", "IndexFlat"}
    assert len(fake.copied) == (2 if factory in BOTH else 1 if factory in KMEANS else 0)


@pytest.mark.parametrize("factory", ["IVF16,SQ8", "IVF16,PQ8x4fs,Refine(SQ8)"])
def test_where_gpus_run_out_of_memory_the_cpu_makes_the_same(folder: IndexFolder, fake: FakeGpus, factory: str) -> None:
    fake.broken = {"index_cpu_to_gpus_list"}
    said: list[str] = []
    placement = Placement(Gpus.choose(), said.append)
    assert made(folder, factory, placement) == made(folder, factory)
    assert placement.used == {"k-means": "cpu", "adding": "cpu"}
    assert said == [
        "k-means: on the CPU, cuda:0,cuda:1 failed: alloc fail: out of memory",
        "adding: on the CPU, cuda:0,cuda:1 failed: alloc fail: out of memory",
    ]


@pytest.mark.parametrize("factory", ["IVF16,SQ8", "IVF16,PQ8x4fs,Refine(SQ8)"])
def test_gpus_that_fail_in_the_middle_of_adding_leave_nothing_half_added(
    folder: IndexFolder, fake: FakeGpus, factory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tired:
        """A quantiser that fails at its third search."""

        def __init__(self, index: faiss.Index) -> None:
            self.index, self.searches = index, 0

        def search(self, vectors: object, k: int) -> object:
            self.searches += 1
            if self.searches == 3:
                raise RuntimeError("CUDA error 2")
            return self.index.search(vectors, k)

    # C++ asks a fast-scan index's quantiser itself: there the whole addition fails from the third block on.
    def add(self: object, index: faiss.Index, vectors: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("CUDA error 2")
        real_add(self, index, vectors)

    calls: list[int] = []
    from tart_index.ann.gpu_making import ListAssignment

    real_add, real_init = ListAssignment._add_in_blocks_of_codes, ListAssignment.__init__

    def tired(self: ListAssignment, gpus: Gpus, index: faiss.Index) -> None:
        real_init(self, gpus, index)
        if "fs" not in factory:
            self._quantiser = Tired(self._quantiser)

    monkeypatch.setattr(ListAssignment, "_add_in_blocks_of_codes", add)
    monkeypatch.setattr(ListAssignment, "__init__", tired)
    placement = Placement(Gpus.choose())
    assert made(folder, factory, placement) == made(folder, factory)
    assert placement.used["adding"] == "cpu"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    k=st.integers(1, 60),
    block=st.integers(1, 2_000),
    seed=st.integers(0, 1_000),
)
def test_exact_search_on_gpus_is_that_of_the_cpu(
    fake: FakeGpus, monkeypatch: pytest.MonkeyPatch, sizes: list[int], k: int, block: int, seed: int
) -> None:
    monkeypatch.setattr(gpus_module, "_BLOCK_NUMBERS", block)
    fake.searched.clear()
    parts = [clustered(size, DIM, seed + number) for number, size in enumerate(sizes)]
    queries = clustered(40, DIM, 7)
    placement = Placement(Gpus.choose())
    found = GpuExactSearch(parts, 1, placement).search(queries, k)
    wanted = ExactSearch(parts, 1).search(queries, k)
    assert np.array_equal(found.rows, wanted.rows)
    assert np.allclose(found.scores, wanted.scores, atol=1e-6)
    assert placement.used == {"exact search": "cuda:0,cuda:1"}
    assert sum(rows for _, _, rows, _ in fake.searched) == sum(sizes)


def test_filters_many_neighbours_and_few_queries_are_the_cpus(fake: FakeGpus) -> None:
    parts = [clustered(1_500, DIM, 1), clustered(1_500, DIM, 2)]
    placement = Placement(Gpus.choose())
    search, cpu = GpuExactSearch(parts, 1, placement), ExactSearch(parts, 1)
    queries = clustered(40, DIM, 3)
    allowed = np.random.default_rng(0).random(3_000) < 0.3
    everything = np.ones(3_000, dtype=np.bool_)
    cases = [(queries, 10, allowed), (queries, 10, everything), (queries, MOST_NEIGHBOURS + 1, None)]
    for asked, k, mask in [*cases, (queries[:5], 10, None)]:
        assert np.array_equal(search.search(asked, k, mask).rows, cpu.search(asked, k, mask).rows)
    assert fake.searched == []
    search.search(queries, MOST_NEIGHBOURS)
    assert {k for _, _, _, k in fake.searched} <= set(range(1, MOST_NEIGHBOURS + 1))


def test_nothing_that_calls_a_gpu_takes_a_filter() -> None:
    source = inspect.getsource(gpus_module)
    assert "sel=" not in source
    assert "SearchParameters" not in source
    assert list(inspect.signature(GpuExactSearch._stream).parameters) == ["self", "gpus", "queries", "k"]


def test_exact_search_falls_back_and_stays_there(fake: FakeGpus) -> None:
    fake.broken = {"knn_gpu"}
    said: list[str] = []
    parts, queries = [clustered(500, DIM, 1)], clustered(40, DIM, 3)
    search = GpuExactSearch(parts, 1, Placement(Gpus.choose(), said.append))
    for _ in range(3):
        assert np.array_equal(search.search(queries, 5).rows, ExactSearch(parts, 1).search(queries, 5).rows)
    assert len(said) == 1


def test_the_manifest_and_the_operator_are_told(tmp_path: Path, fake: FakeGpus) -> None:
    path = tmp_path / "index"
    write_index(path, clustered(2_000, DIM, 0))
    said = Said()
    result = make_structure(path, Wanted(recall=0.9, factory="IVF16,SQ8", queries=40), progress=said)
    structure = Manifest.from_bytes(result.manifest.to_bytes()).structure
    assert structure is not None
    assert structure.devices == dict.fromkeys(("exact search", "k-means", "adding"), "cuda:0,cuda:1")
    assert said.texts == ["exact search on cuda:0,cuda:1, k-means on cuda:0,cuda:1, adding on cuda:0,cuda:1"]
    older = json.loads(result.manifest.to_bytes())["structure"]
    del older["devices"]
    assert StoredStructure.from_json(older).devices == {}


def test_the_command_takes_a_device_and_says_on_stderr_what_was_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index"
    write_index(path, clustered(1_000, DIM, 0))

    def tune(factory: str, *options: str) -> tuple[str, dict[str, str]]:
        arguments = ["tune", str(path), "--structure", factory, "--recall", "0.9", "--sample", "20", "--json", *options]
        run = CliRunner().invoke(index_command, arguments)
        assert run.exit_code == 0, run.output
        return run.stderr, json.loads(run.stdout)["structure"]["devices"]

    assert tune("IVF8,SQ8", "--device", "cuda") == ("", dict.fromkeys(("exact search", "k-means", "adding"), "cpu"))
    pretend_gpus(monkeypatch, 1)
    said, devices = tune("IVF16,SQ8")
    assert "k-means on cuda:0" in said
    assert devices["adding"] == "cuda:0"


def test_a_searcher_uses_the_gpus_of_its_models_device(
    tmp_path: Path, fake: FakeGpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_index(tmp_path / "index", clustered(200, DIM, 0))
    monkeypatch.setattr("tart_index.searcher.check_model", lambda *_: None)
    assert isinstance(Searcher(folder, counting_encoder())._exact, ExactSearch)
    chosen: Callable[..., Gpus] = Gpus.choose
    monkeypatch.setattr(Gpus, "choose", lambda device: chosen("cuda:1") if device == "cpu" else Gpus())
    assert isinstance(Searcher(folder, counting_encoder())._exact, GpuExactSearch)


def test_doctor_tells_faiss_gpus_and_what_they_do(fake: FakeGpus) -> None:
    told = examine()["faiss"]
    assert (told["built for GPUs"], told["gpus"], told["k-means"]) == (True, 2, "cuda:0,cuda:1")
    assert (told["ground truth"], told["filtered search"]) == ("cuda:0,cuda:1", "cpu")


def test_doctor_without_gpus() -> None:
    told = examine()["faiss"]
    assert (told["built for GPUs"], told["gpus"], told["k-means"]) == (False, 0, "cpu")
