"""The loss and its masks against a reference that loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tart.tokens import Tokens
from tart_train.contrastive import Anchors, ContrastiveLoss, anchored
from tart_train.dual_recipe import LossSettings
from tart_train.examples import Example, Negative
from tart_train.inputs import Batch, Row, false_negatives

QUERIES, DOCUMENTS, DIM = 5, 9, 8


def batch(seed: int = 0) -> tuple[torch.Tensor, Batch]:
    chance = np.random.default_rng(seed)
    raw = chance.normal(size=(QUERIES + DOCUMENTS, DIM))
    vectors = torch.tensor(raw / np.linalg.norm(raw, axis=1, keepdims=True), requires_grad=True)
    positives = np.array([0, 3, 3, 5, 8])
    masked = chance.random((QUERIES, DOCUMENTS)) < 0.3
    masked[np.arange(QUERIES), positives] = False
    negatives = np.zeros_like(masked)
    negatives[0, [1, 2]] = negatives[3, [6]] = True
    masked[negatives] = False
    teacher = np.where(negatives, 0.25, np.nan).astype(np.float32)
    teacher[0, 1] = 0.75
    lengths = np.zeros(QUERIES + DOCUMENTS + 1, np.int64)
    empty = np.zeros(QUERIES + DOCUMENTS, np.int32)
    texts = Tokens(np.empty(0, np.int32), lengths, empty.astype(np.bool_), empty)
    bare = np.array([False, True, False, False, True])
    grouped = np.array([True, False, False, True, False])
    return vectors, Batch(texts, positives, masked, negatives, teacher, bare, grouped)


def reference(vectors: NDArray[np.float64], found: Batch, temperature: float) -> float:
    """The mean of -log softmax, by loops."""
    total = 0.0
    for query in range(QUERIES):
        scores = [float(vectors[query] @ vectors[QUERIES + document]) for document in range(DOCUMENTS)]
        allowed = [each for each in range(DOCUMENTS) if not found.masked[query, each]]
        below = math.fsum(math.exp(scores[each] / temperature) for each in allowed)
        total -= math.log(math.exp(scores[found.positives[query]] / temperature) / below)
    return total / QUERIES


def test_the_loss_is_info_nce_over_what_is_not_masked() -> None:
    vectors, found = batch()
    loss, told = ContrastiveLoss(LossSettings(temperature=0.1))(vectors, found)
    assert loss.item() == pytest.approx(reference(vectors.detach().numpy(), found, 0.1), rel=1e-9)
    scores = (vectors[:QUERIES] @ vectors[QUERIES:].T).detach().numpy()
    right = [
        scores[q, p] > max(scores[q, d] for d in range(DOCUMENTS) if d != p and not found.masked[q, d])
        for q, p in enumerate(found.positives)
    ]
    assert told["top1"] == pytest.approx(np.mean(right))
    contrast = [scores[0, 0] > scores[0, [1, 2]].max(), scores[3, 5] > scores[3, 6]]
    assert told["contrast_right"] == pytest.approx(np.mean(contrast))


def test_a_masked_document_has_no_gradient() -> None:
    vectors, found = batch()
    found.masked[:, 7] = True
    ContrastiveLoss(LossSettings())(vectors, found)[0].backward()
    assert vectors.grad is not None
    assert vectors.grad[QUERIES + 7].abs().max() == 0
    assert vectors.grad[QUERIES + 0].abs().max() > 0


def test_matryoshka_sums_over_renormalised_parts() -> None:
    vectors, found = batch()
    loss, told = ContrastiveLoss(LossSettings(temperature=0.1, matryoshka=(4,)))(vectors, found)
    raw = vectors.detach().numpy()
    short = raw[:, :4] / np.linalg.norm(raw[:, :4], axis=1, keepdims=True)
    assert told["matryoshka_4"] == pytest.approx(reference(short, found, 0.1))
    assert loss.item() == pytest.approx(reference(raw, found, 0.1) + reference(short, found, 0.1))


def test_symmetric_asks_each_positive_for_its_query() -> None:
    vectors, found = batch()
    _, told = ContrastiveLoss(LossSettings(temperature=0.1, symmetric=True))(vectors, found)
    raw = vectors.detach().numpy()
    total = 0.0
    for query, column in enumerate(found.positives):
        rivals = [
            q for q in range(QUERIES) if q != query and not found.masked[q, column] and found.positives[q] != column
        ]
        exps = {q: math.exp(float(raw[q] @ raw[QUERIES + column]) / 0.1) for q in [query, *rivals]}
        total -= math.log(exps[query] / sum(exps.values()))
    assert told["symmetric"] == pytest.approx(total / QUERIES)


def test_distillation_is_the_divergence_from_the_miner() -> None:
    vectors, found = batch()
    settings = LossSettings(temperature=0.1, distillation=2.0, distillation_temperature=0.5)
    _, told = ContrastiveLoss(settings)(vectors, found)
    raw = vectors.detach().numpy()
    parts = []
    for query, columns, scores in ((0, [0, 1, 2], [1.0, 0.75, 0.25]), (3, [5, 6], [1.0, 0.25])):
        target = np.exp(np.array(scores) / 0.5)
        guess = np.exp(raw[query] @ raw[QUERIES + np.array(columns)].T / 0.1)
        target, guess = target / target.sum(), guess / guess.sum()
        parts.append(float((target * np.log(target / guess)).sum()))
    assert told["distillation"] == pytest.approx(2 * np.mean(parts), rel=1e-6)


def test_the_anchor_holds_documents_and_bare_queries() -> None:
    vectors, found = batch()
    rows = anchored(found)
    assert rows.tolist() == [1, 4, *range(QUERIES, QUERIES + DOCUMENTS)]
    anchors = torch.roll(vectors.detach()[rows], 1, 0)
    _, told = ContrastiveLoss(LossSettings(anchor=0.5))(vectors, found, Anchors(rows, anchors))
    wanted = 1 - (vectors.detach()[rows] * anchors).sum(dim=1)
    assert told["anchor"] == pytest.approx(0.5 * float(wanted.mean()))
    some = anchored(found, 0.5)
    assert len(some) == 6
    assert set(some.tolist()) < set(rows.tolist())
    assert some.equal(anchored(found, 0.5))


def row(
    name: str,
    positive: str,
    *negatives: tuple[str, str],
    instruction: str = "",
    group: str = "",
    own: tuple[str, ...] = (),
    positives: tuple[str, ...] = (),
    query: str = "q",
) -> Row:
    listed = tuple(Negative(each, kind) for each, kind in negatives)  # type: ignore[arg-type]
    example = Example(name, "set", query, (positive, *positives), listed, own, "task", group)
    return Row(example, instruction, positive, tuple(each for each, _ in negatives))


def masks(rows: list[Row], columns: dict[str, int], known: dict[tuple[object, ...], set[str]]) -> list[set[int]]:
    found = false_negatives(rows, columns, max(columns.values()) + 1, known)
    return [set(np.flatnonzero(each).tolist()) for each in found]


def test_known_positives_of_what_is_asked_are_masked() -> None:
    rows = [row("1", "a", instruction="Find"), row("2", "b", instruction="Seek"), row("3", "c", query="other")]
    columns = {"a": 0, "b": 1, "c": 2}
    known = {rows[0].ask: {"a", "b"}, rows[2].ask: {"c"}}
    assert rows[0].ask == rows[1].ask
    assert masks(rows, columns, known) == [{1}, {0}, set()]


def test_a_positive_of_the_same_text_shares_the_column() -> None:
    rows = [row("1", "a", query="x"), row("2", "b", query="y")]
    assert masks(rows, {"a": 0, "b": 0}, {}) == [set(), set()]


def test_within_a_group_only_bare_rows_are_masked() -> None:
    rows = [
        row("1", "a", ("b", "polarity"), instruction="Find A", group="g", own=("Find A",)),
        row("2", "b", ("a", "polarity"), instruction="Find B", group="g", own=("Find B",)),
        row("3", "c", group="g", own=("Find C",)),
        row("4", "d", query="other"),
    ]
    columns = {"a": 0, "b": 1, "c": 2, "d": 3}
    known = {each.ask: {each.positive} for each in rows}
    assert masks(rows, columns, known) == [set(), set(), {0, 1}, set()]


def test_instruction_negatives_stay_even_where_they_are_known_positives() -> None:
    taught = row("1", "a", ("b", "unfollowing"), ("c", "hard"), instruction="Find")
    bare = row("1", "a", ("b", "unfollowing"), ("c", "hard"))
    columns = {"a": 0, "b": 1, "c": 2}
    assert masks([taught], columns, {taught.ask: {"a", "b", "c"}}) == [{2}]
    assert masks([bare], columns, {bare.ask: {"a"}}) == [{1}]
