"""A glimpse at retrieval while training goes on: nDCG@10 by exact search over a part of some dev sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tart.tokens import Tokens
from tart_train.dataset import RetrievalSet
from tart_train.examples import DataError
from tart_train.inputs import TextInputs
from tart_train.recipe import DevSettings
from tart_train.set_wordings import wordings_of
from tart_train.text_model import TextModel

DEPTH = 10


@dataclass(frozen=True, slots=True)
class DevSet:
    """A part of a retrieval set, as token ids.

    Attributes:
        name: Of the set.
        queries: Bare, then, where the set has an instruction, the same ones under it.
        documents: Judged ones first.
        gains: Shape: (n_queries, n_documents), float32: grade of each document.
    """

    name: str
    queries: Mapping[str, Tokens]
    documents: Tokens
    gains: NDArray[np.float32]


def open_dev_sets(settings: DevSettings, here: Path, inputs: TextInputs) -> list[DevSet]:
    """Reads the recipe's dev sets, the first queries and documents of each.

    Raises:
        DataError: A set cannot be read, or has no judged query.
    """
    return [_dev_set(RetrievalSet.open(here / each), settings, inputs) for each in settings.sets]


def _dev_set(found: RetrievalSet, settings: DevSettings, inputs: TextInputs) -> DevSet:
    grades = {name: row for name, row in found.qrels().items() if any(grade > 0 for grade in row.values())}
    queries = [query for query in found.queries() if query.id in grades]
    if not queries:
        raise DataError(f"{found.path}: no query has a relevant document; leave the set out of dev.sets")
    # Evenly over the file: neighbours are often alike.
    places = np.linspace(0, len(queries) - 1, min(settings.queries, len(queries))).astype(int)
    queries = [queries[place] for place in places]
    judged = {name for query in queries for name in grades[query.id]}
    others = max(settings.documents - len(judged), 0)
    documents = []
    for document in found.documents():
        if document.id not in judged:
            if not others:
                continue
            others -= 1
        documents.append(document)
    columns = {document.id: n for n, document in enumerate(documents)}
    gains = np.zeros((len(queries), len(documents)), np.float32)
    for row, query in enumerate(queries):
        for name, grade in grades[query.id].items():
            if name in columns:
                gains[row, columns[name]] = max(grade, 0)
    usual = settings.instructions.get(found.name) or next(iter(wordings_of(found.card)), "")
    own = [query.instruction or usual for query in queries]
    texts = [query.text for query in queries]
    read = {"bare": inputs.queries(texts, [""] * len(texts))}
    if all(own):
        read["instructed"] = inputs.queries(texts, own)
    return DevSet(found.name, read, inputs.documents(documents), gains)


@torch.no_grad()
def score(
    sets: Sequence[DevSet], text_model: TextModel, around: AbstractContextManager[None]
) -> dict[str, dict[str, float]]:
    """Mean nDCG@10 of each set, bare and instructed, and of all sets under ``mean``."""
    was = text_model.model.training
    text_model.model.eval()
    found: dict[str, dict[str, float]] = {}
    with around:
        for each in sets:
            documents = _embed(text_model, each.documents)
            found[each.name] = {
                way: round(float(ndcg(_embed(text_model, tokens) @ documents.T, each.gains).mean()), 5)
                for way, tokens in each.queries.items()
            }
    text_model.model.train(was)
    ways = {way for row in found.values() for way in row}
    if found:
        found["mean"] = {
            way: round(float(np.mean([row[way] for row in found.values() if way in row])), 5) for way in sorted(ways)
        }
    return found


def ndcg(scores: NDArray[np.float32], gains: NDArray[np.float32], depth: int = DEPTH) -> NDArray[np.float64]:
    """NDCG of each query (Järvelin and Kekäläinen 2002; gain is the grade, as trec_eval has it).

    Args:
        scores: Shape: (n_queries, n_documents).
        gains: The same shape.
        depth: Ranks that count.

    Returns:
        Shape: (n_queries,).
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    discounts = 1 / np.log2(np.arange(2, order.shape[1] + 2))
    reached = (np.take_along_axis(gains, order, axis=1) * discounts).sum(axis=1)
    best = (-np.sort(-gains, axis=1)[:, :depth] * discounts).sum(axis=1)
    result: NDArray[np.float64] = np.divide(reached, best, out=np.zeros(len(best)), where=best > 0)
    return result


def _embed(text_model: TextModel, tokens: Tokens) -> NDArray[np.float32]:
    chunks = text_model.chunks(tokens)
    vectors = torch.cat([text_model.embed(tokens, chunk) for chunk in chunks]).cpu().numpy()
    result = np.empty_like(vectors)
    result[np.concatenate(chunks)] = vectors
    return result
