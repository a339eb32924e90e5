"""The report of a selection: figures against numbers computed by hand, and texts that try to get out of the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tart_index.selection.chosen import Chosen, Selection
from tart_index.selection.examples import Example
from tart_index.selection.options import Method
from tart_index.selection.report import write_report
from tart_index.selection.report_facts import MapVectors, ReportFacts, map_vectors, samples_of, shown, spread_ranks
from tart_index.selection.report_html import report_html
from tart_index.selection.report_map import flat_map
from tart_index.selection.report_markdown import report_markdown
from tart_index.selection.report_plots import plots
from tart_index.selection.report_svg import nice_ticks, shortened
from tart_index.selection.report_tables import jaccard, tables, task_shares
from tart_index.selection.vectors import PoolVectors

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">'


def selected(method: Method, rows: list[int], tasks: str = "aabbc", *, score: float | None = 0.5) -> Selection:
    target = None if score is None else "t1"
    chosen = [
        Chosen(rank, row, f"id-{row}", score, 1 if target else 0, target, tasks[row], "pool")
        for rank, row in enumerate(rows, start=1)
    ]
    return Selection(method, tuple(chosen), 5, {"exact duplicate": 2} if target else {})


@pytest.fixture
def facts() -> ReportFacts:
    selection = selected("rds", [0, 1, 2])
    row = Example("id-0", "What is 2 + 2?", "4", "a", {})
    target = Example("t1", "What is 3 + 3?", None, None, {})
    vectors = np.eye(5, dtype=np.float32)
    return ReportFacts(
        selection,
        {"pool": "pool.jsonl", "model": "tart-dual"},
        {"a": 2, "b": 2, "c": 1},
        [selected("random", [0, 3, 4], score=None)],
        samples_of(selection, lambda _: row, lambda _: target),
        MapVectors(vectors, vectors[:1], vectors[:3]),
    )


def test_task_shares_are_those_of_the_rows(facts: ReportFacts) -> None:
    shares = task_shares(facts)
    assert [(one.task, one.rows, round(one.pool, 3)) for one in shares] == [
        ("a", 2, 0.4),
        ("b", 1, 0.4),
        ("c", 0, 0.2),
    ]
    assert [tuple(round(share, 3) for share in one.chosen) for one in shares] == [
        (0.667, 0.333),
        (0.333, 0.333),
        (0.0, 0.333),
    ]


def test_overlap_counts_rows_in_both_of_those_in_either() -> None:
    first, second = selected("deft", [0, 1, 2]), selected("rds", [2, 3])
    assert jaccard(first, second) == jaccard(second, first) == 1 / 4
    assert jaccard(first, first) == jaccard(selected("deft", []), selected("rds", [])) == 1.0


def test_tables_tell_counts_what_was_left_out_and_provenance(facts: ReportFacts) -> None:
    found = {table.title: table for table in tables(facts)}
    assert list(found) == ["Counts", "Tasks", "Overlap", "Provenance"]
    assert found["Counts"].headings[-1] == "left out: exact duplicate"
    assert list(found["Counts"].rows) == [("rds", "3", "5", "1", "2"), ("random", "3", "5", "-", "0")]
    assert list(found["Tasks"].rows) == [("a", "2", "40.0", "66.7", "33.3"), ("b", "1", "40.0", "33.3", "33.3")]
    assert list(found["Overlap"].rows) == [("rds", "1.000", "0.200"), ("random", "0.200", "1.000")]
    assert ("model", "tart-dual") in found["Provenance"].rows


def test_without_controls_and_tasks_only_counts_and_provenance_are_left(facts: ReportFacts) -> None:
    alone = ReportFacts(facts.selection, facts.about)
    assert [table.title for table in tables(alone)] == ["Counts", "Provenance"]
    assert [plot.title for plot in plots(alone)] == ["Scores"]
    assert "Controls" not in report_markdown(alone)


def test_an_empty_selection_has_a_report() -> None:
    empty = ReportFacts(selected("rds", []), {"pool": "p"}, {"a": 3})
    assert list(plots(empty)) == []
    assert "0 of 5 candidates" in report_markdown(empty)
    assert "<svg" not in report_html(empty)


def test_a_random_selection_has_no_scores_to_draw(facts: ReportFacts) -> None:
    drawn = ReportFacts(selected("random", [0, 1], score=None), {}, {"a": 2, "b": 2, "c": 1})
    assert [plot.title for plot in plots(drawn)] == ["Where the rows come from"]


def test_counts_are_drawn_where_targets_share_neighbours() -> None:
    chosen = tuple(Chosen(rank, rank, f"r{rank}", 0.9, 4 - rank, "t", None, "p") for rank in (1, 2))
    found = {plot.title: plot for plot in plots(ReportFacts(Selection("deft", chosen, 9), {}))}
    assert "by rank: 3 to 2." in found["Counts"].caption
    assert "0.900 to 0.900" in found["Scores"].caption


class Page(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_texts_cannot_leave_their_place(facts: ReportFacts) -> None:
    chosen = tuple(Chosen(1, 0, EVIL, 0.5, 1, EVIL, EVIL, EVIL) for _ in range(3))
    evil = Example(EVIL, EVIL, EVIL, EVIL, {})
    selection = Selection("deft", chosen, 3, {EVIL: 1}, (EVIL,))
    page = report_html(
        ReportFacts(
            selection,
            {EVIL: EVIL},
            {EVIL: 3},
            [selected("random", [0], score=None)],
            samples_of(selection, lambda _: evil, lambda _: evil),
            facts.vectors,
        )
    )
    found = Page(page)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not [name for name in found.attributes if name.startswith("on")]
    assert "&lt;script&gt;" in page


def test_the_page_needs_nothing_else(facts: ReportFacts) -> None:
    page = report_html(facts)
    assert not re.search(r"https?://|@import|url\(|<link|src=", page)
    assert "prefers-color-scheme: dark" in page


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_text_is_one_cell_of_markdown(text: str) -> None:
    told = report_markdown(ReportFacts(selected("rds", []), {"pool": text}))
    row = next(line for line in told.split("\n") if line.startswith("| pool |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert not re.search(r"<(?!/?$)", row)


def test_plots_are_well_formed_and_their_marks_counted(facts: ReportFacts) -> None:
    found = {plot.title: ET.fromstring(plot.svg) for plot in plots(facts)}
    assert list(found) == ["Where the rows come from", "Scores", "Map"]
    bars = found["Where the rows come from"].findall(".//rect")
    # The longest bar fills the room; the other is half as long.
    assert [float(bar.attrib["width"]) for bar in bars] == [380.0, 190.0]
    circles = [circle.attrib["class"] for circle in found["Map"].findall(".//circle")]
    assert [circles.count(kind) for kind in ("pool", "chosen", "target")] == [5, 3, 1]


def test_the_map_keeps_distances_of_a_flat_cloud() -> None:
    random = np.random.default_rng(0)
    flat = np.zeros((50, 6), dtype=np.float32)
    flat[:, [1, 4]] = random.normal(size=(50, 2))
    laid = flat_map(MapVectors(flat[:30], flat[30:40], flat[40:]))
    every = np.concatenate([laid.pool, laid.targets, laid.chosen])
    wanted = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(every[:, None] - every[None], axis=2), wanted, atol=1e-5)
    assert laid.explained == pytest.approx(1.0)


def test_the_map_is_the_svd_with_its_signs_settled() -> None:
    random = np.random.default_rng(1)
    pool, targets = (random.normal(size=(n, 8)).astype(np.float32) for n in (40, 7))
    laid = flat_map(MapVectors(pool, targets, pool[:5]))
    both = np.concatenate([pool, targets]).astype(np.float64)
    centred = both - both.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    projected = centred @ axes[:2].T
    np.testing.assert_allclose(np.abs(np.concatenate([laid.pool, laid.targets])), np.abs(projected), atol=1e-8)
    assert laid.explained == pytest.approx(float((sizes[:2] ** 2).sum() / (sizes**2).sum()))
    np.testing.assert_array_equal(laid.chosen, laid.pool[:5])


def test_equal_vectors_make_a_map_too() -> None:
    same = np.ones((4, 3), dtype=np.float32)
    laid = flat_map(MapVectors(same, same, same))
    assert laid.explained == 0.0
    assert not laid.pool.any()


def test_map_vectors_are_spread_over_pool_and_ranks() -> None:
    stored = np.arange(12, dtype=np.float32).reshape(6, 2)
    found = map_vectors(PoolVectors([stored[:4], stored[4:]]), stored[:2], selected("rds", [4, 0, 2]))
    np.testing.assert_array_equal(found.pool, stored)
    np.testing.assert_array_equal(found.chosen, stored[[0, 2, 4]])
    np.testing.assert_array_equal(found.targets, stored[:2])


@given(st.integers(0, 50), st.integers(1, 20))
def test_spread_ranks_hold_the_first_and_the_last(count: int, wanted: int) -> None:
    places = spread_ranks(count, wanted)
    assert places == sorted(set(places))
    assert len(places) == min(count, wanted)
    if wanted > 1 and count:
        assert places[0] == 0
        assert places[-1] == count - 1


@given(st.floats(-1, 1), st.floats(0.001, 100))
def test_ticks_hold_the_range_in_round_steps(low: float, width: float) -> None:
    ticks = nice_ticks(low, low + width)
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= low + width - 1e-9
    assert 3 <= len(ticks) <= 8


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (True, "yes"), (12345, "12,345"), (0.123456, "0.1235"), ("x", "x")]
)
def test_values_in_words(value: object, text: str) -> None:
    assert shown(value) == text


def test_long_names_lose_their_middle() -> None:
    assert shortened("a" * 46) == "a" * 46
    assert shortened("a" * 30 + "b" * 30) == "a" * 22 + "…" + "b" * 22


def test_the_same_facts_write_the_same_bytes(facts: ReportFacts, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, facts)
    for file in ("report.html", "report.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
