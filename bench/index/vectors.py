"""Synthetic vectors that are as hard to search as those of real texts, and an index of them made by our own import.

Of what a sentence encoder makes, the generator keeps what decides how hard a search is: all vectors lean to one side
(a common mean), variance falls off over the directions as a power of their rank, topics lie in wider areas and differ
in size as words do (Zipf), documents vary about their topic in directions of its area's own, by more or less
(log-normal).
`hardness.py` compares it with really embedded texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import Encoder
from tart_index.corpus import Corpus
from tart_index.importing import NpyVectors, import_vectors

DIM = 384
PER_MILLE = 1_000
_TOPICS = 60_000
_AREAS = 4
# Zipf and Mandelbrot: the share of the topic of rank r is (r + offset) to the power of minus this.
_ZIPF, _OFFSET = 0.95, 10
# Variance of the direction of rank r is r to the power of minus twice this: of topics, of documents about their topic.
_DECAY, _NEAR_DECAY = 0.38, 0.85
_MEAN, _TOPIC, _DOCUMENT, _SPREAD = 0.4, 0.65, 0.6, 0.8
_AREA_SHARE = 0.5
_BLOCK = 20_000


class World(NamedTuple):
    """What all vectors have in common, whatever their seed.

    Attributes:
        mean: Shape: (DIM,).
        topics: Shape: (topics, DIM).
        areas: Shape: (topics,), int64: in which area a topic lies.
        turns: Shape: (areas, DIM, DIM): a rotation for each area.
        shares: Shape: (topics,): how much of a corpus is about each topic.
    """

    mean: NDArray[np.float32]
    topics: NDArray[np.float32]
    areas: NDArray[np.int64]
    turns: NDArray[np.float32]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, seed: int) -> World:
        """Draws it."""
        rng = np.random.default_rng(seed)
        mean = rng.standard_normal(DIM)
        centres = rng.standard_normal((_AREAS, DIM)) * _scales(_DECAY)
        areas = rng.integers(_AREAS, size=_TOPICS)
        own = rng.standard_normal((_TOPICS, DIM)) * _scales(_DECAY)
        topics = _AREA_SHARE * centres[areas] + np.sqrt(1 - _AREA_SHARE**2) * own
        turns = np.stack([np.linalg.qr(rng.standard_normal((DIM, DIM)))[0] for _ in range(_AREAS)])
        shares = (np.arange(1, _TOPICS + 1) + _OFFSET) ** -_ZIPF
        mean /= np.linalg.norm(mean)
        single = [array.astype(np.float32) for array in (mean, topics, turns)]
        return cls(single[0], single[1], areas, single[2], shares / shares.sum())


def _scales(decay: float) -> NDArray[np.float64]:
    scales = np.arange(1, DIM + 1) ** -decay
    return scales / np.linalg.norm(scales)


def blocks(world: World, rows: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Unit vectors, at most `_BLOCK` rows at a time; fewer rows are the first ones of more."""
    rng = np.random.default_rng(seed)
    for start in range(0, rows, _BLOCK):
        topics = rng.choice(len(world.shares), size=_BLOCK, p=world.shares)
        far = np.exp(_SPREAD * rng.standard_normal((_BLOCK, 1), dtype=np.float32))
        own = rng.standard_normal((_BLOCK, DIM), dtype=np.float32) * _scales(_NEAR_DECAY).astype(np.float32)
        for area, turn in enumerate(world.turns):
            here = world.areas[topics] == area
            own[here] = own[here] @ turn
        vectors = _MEAN * world.mean + _TOPIC * world.topics[topics] + _DOCUMENT * far * own
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield vectors[: rows - start]


def write_vectors(folder: Path, rows: int, queries: int, seed: int) -> Path:
    """`vectors.npy` and `queries.npy` of one world, the queries drawn apart; what is there already stays."""
    file = folder / "vectors.npy"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        world = World.of(seed)
        np.save(folder / "queries.npy", np.concatenate(list(blocks(world, queries, seed + 1))))
        new = folder / "vectors.new.npy"
        array = np.lib.format.open_memmap(new, "w+", np.float32, (rows, DIM))
        start = 0
        for block in blocks(world, rows, seed + 2):
            array[start : start + len(block)] = block
            start += len(block)
        array.flush()
        new.replace(file)
    return file


def metadata(vectors: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Two numbers from 0 to 999 for each row: one by chance, one by closeness to a direction that some topics share.

    Shape: (rows, 2). "Less than n" lets n in a thousand pass, anywhere or all from one corner.
    """
    rng = np.random.default_rng(seed + 3)
    towards = World.of(seed).topics[0]
    closeness = np.concatenate([vectors[at : at + _BLOCK] @ towards for at in range(0, len(vectors), _BLOCK)])
    ranks = np.empty(len(vectors), dtype=np.int64)
    ranks[np.argsort(-closeness, kind="stable")] = np.arange(len(vectors))
    return np.stack([rng.permutation(len(vectors)), ranks], axis=1) * PER_MILLE // len(vectors)


def import_index(folder: Path, rows: int, out: Path, seed: int) -> None:
    """The first rows of `vectors.npy` as an index, by our own import; no text is embedded."""
    array = np.load(folder / "vectors.npy", mmap_mode="r")[:rows]
    numbers = metadata(array, seed)
    first = out.with_name(f"{out.name}.npy")
    np.save(first, array)

    def documents() -> Iterator[Document]:
        for row, (chance, corner) in enumerate(numbers.tolist()):
            yield Document(str(row), f"document {row}", "", {"chance": chance, "corner": corner})

    corpus = Corpus.from_documents(f"{rows} synthetic vectors", documents)
    import_vectors(corpus, NpyVectors(first), out, Encoder.load(threads=1), trust=True)
    first.unlink()
