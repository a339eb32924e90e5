from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tart.errors import IndexFolderError
from tart_index.ann.choose import Wanted, estimated_bytes, factories, lists_for
from tart_index.ann.effort import Layers, Parameters, innermost
from tart_index.ann.lists import ListedRows, Spread
from tart_index.ann.making import parse
from tart_index.ann.report import index_report
from tart_index.ann.search import ApproximateSearch, load_structure, structure_file
from tart_index.ann.stored import Measured
from tart_index.ann.structures import make_structure
from tart_index.ann.tuning import recall_at
from tart_index.changes import compact, delete_documents
from tart_index.exact import ExactSearch
from tart_index.folder import IndexFolder
from tart_index.manifest import Manifest
from tart_index.versions import restore, snapshot
from tests.index.clustered import clustered, write_index

DIM = 32
ROWS = 6_000
STRUCTURES = ["IVF32,PQ8x4fs,Refine(SQ8)", "HNSW16_SQ8", "IVF32,SQ8", "IVF16,Flat", "IVF32,RaBitQ,Refine(SQ8)"]
# A small index is searched exactly below this many numbers; these tests want the structure to answer.
pytestmark = pytest.mark.usefixtures("structures_answer")


@pytest.fixture
def structures_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tart_index.ann.search._EXACT_NUMBERS", 100 * DIM)


@pytest.fixture(scope="module", params=STRUCTURES)
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> IndexFolder:
    """An index with one of the structures, tuned for 0.9."""
    path = tmp_path_factory.mktemp("ann") / "index"
    write_index(path, clustered(ROWS, DIM, 0))
    result = make_structure(path, Wanted(recall=0.9, factory=request.param, queries=60))
    assert result.changed
    return IndexFolder.open(path)


def exact(folder: IndexFolder) -> ExactSearch:
    return ExactSearch(folder.vectors, threads=1)


def test_the_promise_of_recall_is_kept(tuned: IndexFolder) -> None:
    queries = clustered(100, DIM, 7)
    structure = tuned.manifest.structure
    assert structure is not None
    assert structure.chosen[0].k == 10
    assert structure.chosen[0].recall >= 0.85
    for k in (10, 100):
        found = ApproximateSearch(tuned, threads=1).search(queries, k)
        true = exact(tuned).search(queries, k)
        shares = [len(np.intersect1d(a, b)) / k for a, b in zip(found.rows, true.rows, strict=True)]
        assert np.mean(shares) > 0.85


def test_scores_are_those_of_the_vectors_and_sorted(tuned: IndexFolder) -> None:
    queries = clustered(20, DIM, 8)
    found = ApproximateSearch(tuned, threads=1).search(queries, 25)
    vectors = np.concatenate(tuned.vectors)
    for query, scores, rows in zip(queries, found.scores, found.rows, strict=True):
        assert len(set(rows.tolist())) == 25
        assert np.allclose(scores, vectors[rows] @ query, atol=1e-6)
        assert np.all(np.diff(scores) <= 0)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.5, 0.1, 0.02, 0.004, 0.0]), k=st.integers(1, 60))
def test_a_filter_costs_no_hits_and_lets_nothing_else_pass(tuned: IndexFolder, seed: int, share: float, k: int) -> None:
    rng = np.random.default_rng(seed)
    allowed = rng.random(ROWS) < share
    queries = clustered(4, DIM, seed % 1_000)
    found = ApproximateSearch(tuned, threads=1).search(queries, k, allowed)
    true = exact(tuned).search(queries, k, allowed)
    assert found.rows.shape == true.rows.shape
    assert allowed[found.rows].all()


def test_filtered_recall_keeps_the_promise(tuned: IndexFolder) -> None:
    queries = clustered(100, DIM, 9)
    rng = np.random.default_rng(1)
    search = ApproximateSearch(tuned, threads=1)
    for share in (0.5, 0.1, 0.05):
        allowed = rng.random(ROWS) < share
        found, true = search.search(queries, 10, allowed), exact(tuned).search(queries, 10, allowed)
        shares = [len(np.intersect1d(a, b)) / 10 for a, b in zip(found.rows, true.rows, strict=True)]
        assert np.mean(shares) > 0.85


@pytest.mark.parametrize("share", [0.2, 0.05, 0.03])
def test_what_passes_in_one_corner_is_found(tuned: IndexFolder, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tart_index.ann.search._EXACT_NUMBERS", 0)
    assert tuned.manifest.structure is not None
    vectors = np.concatenate(tuned.vectors)
    towards = clustered(1, DIM, 17)[0]
    allowed = np.argsort(np.argsort(-vectors @ towards)) < share * ROWS
    queries = clustered(200, DIM, 18)
    found = ApproximateSearch(tuned, threads=1).search(queries, 10, allowed)
    true = exact(tuned).search(queries, 10, allowed)
    shares = [len(np.intersect1d(a, b)) / 10 for a, b in zip(found.rows, true.rows, strict=True)]
    # A graph has no lists whose rows could be counted, and walks where the query lies.
    assert np.mean(shares) > (0.8 if tuned.manifest.structure.factory.startswith("HNSW") else 0.88)


@pytest.mark.parametrize("factory", ["IVF32,PQ8x4fs,Refine(SQ8)", "OPQ8,IVF32,PQ8x4fs", "IVF32,SQ8", "HNSW16_SQ8"])
def test_the_lists_that_hold_rows_are_known(factory: str) -> None:
    index = parse(factory, DIM)
    vectors = clustered(2_000, DIM, 19)
    index.train(vectors)
    index.add(vectors)
    listed = ListedRows(index)
    everything = listed.spread(np.ones(2_000, np.bool_))
    assert everything.held is None
    assert not everything.corner
    if factory == "HNSW16_SQ8":
        assert listed.spread(np.arange(2_000) < 7) == Spread()
        return
    moved = index.chain.at(0).apply_py(vectors) if factory.startswith("OPQ") else vectors
    _, nearest = innermost(index).quantizer.search(moved, 1)
    for rows in ([7], [0, 3, 1_999], range(40), np.flatnonzero(nearest[:, 0] < 5)):
        mask = np.isin(np.arange(2_000), rows)
        spread = listed.spread(mask)
        assert spread.held is not None
        assert np.flatnonzero(spread.held).tolist() == np.unique(nearest[mask]).tolist()
        assert spread.lists == len(np.unique(nearest[mask]))
        assert spread.corner
    assert not listed.spread(np.arange(2_000) % 2 == 0).corner


def test_every_row_asked_for_is_found_exactly(tuned: IndexFolder) -> None:
    queries = clustered(3, DIM, 10)
    found = ApproximateSearch(tuned, threads=1).search(queries, ROWS)
    assert [sorted(rows.tolist()) for rows in found.rows] == [list(range(ROWS))] * 3


def test_newer_documents_and_deletions_are_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "index"
    vectors = clustered(3_000, DIM, 2)
    write_index(path, vectors)
    make_structure(path, Wanted(recall=0.99, factory="IVF16,SQ8", queries=40))
    fresh = clustered(200, DIM, 3)
    write_index(path, fresh)
    gone = [str(n) for n in range(500)] + ["2999", "3100"]
    delete_documents(path, gone)
    folder = IndexFolder.open(path)
    assert folder.manifest.structure is not None
    assert folder.alive is not None
    queries = np.concatenate([fresh[:30], vectors[:30]])
    found = ApproximateSearch(folder, threads=1).search(queries, 10, folder.alive)
    true = exact(folder).search(queries, 10, folder.alive)
    assert folder.alive[found.rows].all()
    assert found.rows[:30, 0].tolist() == list(range(3_000 - 500, 3_000 - 500 + 30)) or np.array_equal(
        found.rows[:30, 0], true.rows[:30, 0]
    )
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(found.rows, true.rows, strict=True)]) > 9.5


def test_parts_that_moved_are_found_where_they_are_now(tmp_path: Path) -> None:
    path = tmp_path / "index"
    vectors = clustered(3_000, DIM, 4)
    folder = write_index(path, vectors, part_size=500)
    make_structure(path, Wanted(recall=0.99, factory="IVF16,Flat", queries=40))
    manifest = IndexFolder.open(path).manifest
    turned = replace(manifest, parts=(*manifest.parts[3:], *manifest.parts[1:3]))
    folder = IndexFolder(path, turned)
    queries = clustered(50, DIM, 5)
    found = ApproximateSearch(folder, threads=1).search(queries, 10)
    true = exact(folder).search(queries, 10)
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(found.rows, true.rows, strict=True)]) > 9.5
    assert np.allclose(found.scores[:, 0], true.scores[:, 0], atol=0.05)


def test_the_manifest_keeps_the_structure_and_what_was_measured(tuned: IndexFolder) -> None:
    manifest = Manifest.from_bytes(tuned.manifest.to_bytes())
    assert manifest.structure == tuned.manifest.structure
    assert manifest.fingerprint == tuned.manifest.fingerprint
    assert manifest.fingerprint != replace(manifest, structure=None).fingerprint
    body = json.loads(tuned.manifest.to_bytes())
    assert {"factory", "chosen", "curve", "exact", "wanted_recall"} <= set(body["structure"])
    page = index_report(tuned)
    assert manifest.structure is not None
    assert f"{manifest.structure.chosen[0].recall:.4f}" in page
    assert page.count('<circle class="point"') == sum(
        1 for p in manifest.structure.curve if p.k in {c.k for c in manifest.structure.chosen}
    )


def test_a_flipped_byte_is_refused_before_faiss_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "index"
    write_index(path, clustered(2_000, DIM, 6))
    make_structure(path, Wanted(recall=0.9, factory="IVF16,SQ8", queries=40))
    folder = IndexFolder.open(path)
    assert folder.manifest.structure is not None
    file = structure_file(path, folder.manifest.structure.name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(IndexFolderError, match="bytes have changed"):
        ApproximateSearch(folder, threads=1)
    with pytest.raises(IndexFolderError, match="bytes have changed"):
        list(folder.verify())
    file.unlink()
    with pytest.raises(IndexFolderError, match="No such file"):
        ApproximateSearch(folder, threads=1)


def test_exact_takes_the_structure_away_and_the_old_version_still_has_it(tmp_path: Path) -> None:
    path = tmp_path / "index"
    write_index(path, clustered(2_000, DIM, 6))
    first = make_structure(path, Wanted(recall=0.9, factory="IVF16,SQ8", queries=40))
    again = make_structure(path, Wanted(recall=0.9, factory="IVF16,SQ8", queries=40))
    assert (again.changed, again.manifest) == (False, first.manifest)
    bare = make_structure(path, Wanted(factory="exact"))
    assert bare.manifest.structure is None
    list(IndexFolder(path, first.manifest).verify())
    assert restore(path, first.manifest.version).structure == first.manifest.structure
    copy = snapshot(path, tmp_path / "copy")
    assert copy.structure is not None
    list(IndexFolder.open(tmp_path / "copy").verify())
    for _ in range(4):
        make_structure(path, Wanted(factory="exact"), keep=1)
    assert list((path / "ann").iterdir()) == []


def test_compacting_drops_a_structure_whose_rows_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "index"
    write_index(path, clustered(2_000, DIM, 6), part_size=500)
    make_structure(path, Wanted(recall=0.9, factory="IVF16,SQ8", queries=40))
    delete_documents(path, ["3"])
    manifest = compact(path, part_size=4_096).manifest
    assert manifest.structure is None


def test_a_recall_that_no_effort_reaches_leaves_the_search_exact(tmp_path: Path) -> None:
    path = tmp_path / "index"
    write_index(path, clustered(2_000, DIM, 6))
    result = make_structure(path, Wanted(recall=1.0, factory="IVF8,PQ2x4", queries=40))
    assert result.manifest.structure is None
    assert not result.changed
    assert result.tried == ["IVF8,PQ2x4"]
    assert result.best is not None
    assert 0 < result.best < 1


def test_small_indexes_stay_exact(tmp_path: Path) -> None:
    path = tmp_path / "index"
    write_index(path, clustered(100, DIM, 6))
    result = make_structure(path, Wanted())
    assert (result.manifest.structure, result.changed, result.tried) == (None, False, [])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"factory": "IVF16,PQ7"}, "FAISS cannot make 'IVF16,PQ7' for vectors of 32"),
        ({"factory": "nonsense"}, "wanted a factory string such as"),
        ({"factory": "IVF4096,Flat"}, "FAISS cannot train"),
        ({"factory": "PQ8"}, "no search effort that could be tuned"),
    ],
)
def test_a_structure_that_cannot_be_made_is_refused(tmp_path: Path, wanted: dict[str, Any], message: str) -> None:
    path = tmp_path / "index"
    before = write_index(path, clustered(200, DIM, 6)).manifest
    with pytest.raises(IndexFolderError, match=message):
        make_structure(path, Wanted(queries=40, **wanted))
    assert IndexFolder.open(path).manifest == before


@pytest.mark.parametrize("bad", [{"recall": 0}, {"recall": 1.1}, {"memory": 0}, {"queries": 3}])
def test_wishes_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(IndexFolderError, match="wanted"):
        Wanted(**bad)


def test_the_choice_follows_size_and_memory() -> None:
    assert factories(1_000, 384, Wanted()) == []
    large = factories(1_000_000, 384, Wanted())
    assert large == [
        "IVF2048,PQ192x4fs,Refine(SQ8)",
        "IVF2048,PQ96x4fs,Refine(SQ8)",
        "IVF2048,PQ96x4fs,Refine(SQ4)",
    ]
    assert factories(1_000_000, 384, Wanted(memory=450 * 2**20)) == large[1:]
    assert factories(1_000_000, 384, Wanted(memory=300 * 2**20)) == large[2:]
    assert factories(1_000_000, 333, Wanted())[0] == "IVF2048,PQ111x4fs,Refine(SQ8)"
    assert factories(1_000_000, 331, Wanted()) == ["IVF2048,SQ8"]
    with pytest.raises(IndexFolderError, match="the smallest structure over 1,000,000 vectors of 384 takes about"):
        factories(1_000_000, 384, Wanted(memory=2**20))
    assert factories(10, 384, Wanted(factory="HNSW32")) == ["HNSW32"]
    assert lists_for(1) == 1
    assert lists_for(100_000) == 512
    assert lists_for(1_000_000) == 2_048


@pytest.mark.parametrize("factory", [*STRUCTURES, "HNSW32", "HNSW32,Flat"])
def test_the_estimate_is_near_the_truth(factory: str, tmp_path: Path) -> None:
    import faiss

    index = parse(factory, DIM)
    vectors = clustered(5_000, DIM, 1)
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / "index"))
    real = (tmp_path / "index").stat().st_size
    assert 0.75 < estimated_bytes(factory, 5_000, DIM) / real < 1.25


def test_layers_are_seen_through_refinement_and_rotation() -> None:
    assert Layers.of(parse("OPQ8,IVF16,PQ8x4fs,Refine(SQ8)", DIM)) == (True, True, 16, False)
    assert Layers.of(parse("HNSW16_SQ8", DIM)) == (False, False, 0, True)
    assert [Layers.of(parse(f, DIM)).dial for f in ("HNSW16_SQ8", "IVF16,Flat")] == ["efSearch", "nprobe"]


def test_recall_leaves_a_querys_own_row_out() -> None:
    true = np.array([[5, 1, 2, 3], [9, 8, 7, 6]])
    found = np.array([[5, 1, 3, 2], [9, 1, -1, -1]])
    assert recall_at(2, found, true, np.array([5, -1])) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert recall_at(3, found, true, np.array([5, -1])) == pytest.approx((1 + 1 / 3) / 2)
    assert recall_at(2, found, true, np.array([5, -1]), taken=3) == pytest.approx((1 + 1 / 2) / 2)


def test_a_curve_point_survives_json() -> None:
    point = Measured(10, {"nprobe": 4}, 0.97, 0.12)
    assert (
        Measured.from_json(json.loads(json.dumps({"k": 10, "effort": {"nprobe": 4}, "recall": 0.97, "ms": 0.12})))
        == point
    )


def test_a_selection_is_kept_only_while_it_cannot_change(tuned: IndexFolder) -> None:
    search = ApproximateSearch(tuned, threads=1)
    queries = clustered(5, DIM, 11)
    allowed = np.arange(ROWS) < ROWS // 2
    assert (search.search(queries, 10, allowed).rows < ROWS // 2).all()
    allowed[:] = ~allowed
    assert (search.search(queries, 10, allowed).rows >= ROWS // 2).all()
    fixed = np.arange(ROWS) % 2 == 0
    fixed.flags.writeable = False
    for _ in range(2):
        assert (search.search(queries, 10, fixed).rows % 2 == 0).all()
    other = np.arange(ROWS) % 2 == 1
    other.flags.writeable = False
    assert (search.search(queries, 10, other).rows % 2 == 1).all()
    assert (search.search(queries, 10).rows % 2 == 0).any()


def test_one_query_a_call_and_many_find_the_same(tuned: IndexFolder) -> None:
    queries = clustered(30, DIM, 12)
    search = ApproximateSearch(tuned, threads=1)
    for k in (1, 10, 40):
        together = search.search(queries, k)
        alone = [search.search(query[None], k) for query in queries]
        assert np.array_equal(np.concatenate([one.rows for one in alone]), together.rows)
        assert np.array_equal(np.concatenate([one.scores for one in alone]), together.scores)


def test_what_coarse_codes_misplace_is_put_right(tmp_path: Path) -> None:
    path = tmp_path / "index"
    write_index(path, clustered(3_000, DIM, 13))
    make_structure(path, Wanted(recall=0.9, factory="HNSW16_SQ4", queries=40))
    folder = IndexFolder.open(path)
    assert folder.manifest.structure is not None
    queries = clustered(50, DIM, 14)
    true = exact(folder).search(queries, 10)
    codes = load_structure(path, folder.manifest.structure, DIM)
    parameters = Parameters(Layers.of(codes), {"efSearch": 200})
    _, coarse = codes.search(queries, 10, params=parameters.faiss)
    found = ApproximateSearch(folder, threads=1).search(queries, 10)
    assert found.rows.shape == (50, 10)

    def share(rows: Any) -> float:
        return float(np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(rows, true.rows, strict=True)]))

    assert share(found.rows) > share(coarse)


def test_the_effort_follows_what_passes(tuned: IndexFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    structure = tuned.manifest.structure
    assert structure is not None
    efforts = {point.k: dict(point.effort) for point in structure.chosen}
    asked: list[dict[str, int]] = []

    def noted(layers: Layers, effort: dict[str, int], *bits: Any) -> Parameters:
        asked.append(dict(effort))
        return Parameters(layers, effort, *bits)

    monkeypatch.setattr("tart_index.ann.search.Parameters", noted)
    search = ApproximateSearch(tuned, threads=1)
    queries = clustered(1, DIM, 15)
    dial = "nprobe" if "nprobe" in efforts[10] else "efSearch"
    # One hit more than ten and a few rows less cost no more; half of the rows, and a tenth, take the next effort and
    # half as much again.
    cases = ((11, 1.0, 10), (10, 0.95, 10), (12, 1.0, 10), (13, 1.0, 100), (10, 0.5, 100), (10, 0.1, 1_000))
    for k, passing, depth in cases:
        search.search(queries, k, None if passing == 1 else np.arange(ROWS) < passing * ROWS)
        assert asked[-1][dial] == round(efforts[depth][dial] * (1.5 if passing < 0.9 else 1)), (k, passing)
