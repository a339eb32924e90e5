"""Are the synthetic vectors as hard to search as real ones? Compares equally many of both.

Real ones are those of index folders, such as `tart demo` makes. At equal rows: how near neighbours are, in how many
dimensions they lie (maximum likelihood, Levina and Bickel 2004), and how many inverted lists hold them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from kept_steps import HERE
from reporting import table, write
from vectors import World, blocks

from tart_index.folder import IndexFolder

_DEEP = 100
_LISTS = 128
_PROBES = (1, 2, 4, 8, 16, 32)
_CODES = "PQ96x4fs"
_EXAMINED = (10, 20, 40)


def real(path: Path, rows: int) -> NDArray[np.float32]:
    """Vectors of an index in a random order, each once: equal texts have equal ones."""
    vectors = np.unique(np.concatenate(IndexFolder.open(path).vectors), axis=0)
    return np.ascontiguousarray(np.random.default_rng(0).permutation(vectors)[:rows])


def hardness(vectors: NDArray[np.float32], queries: int) -> dict[str, float]:
    """What decides how hard a search is; the first vectors are the queries."""
    asked, stored = vectors[:queries], vectors[queries:]
    scores, true = faiss.knn(asked, stored, _DEEP, metric=faiss.METRIC_INNER_PRODUCT)
    variances = np.linalg.eigvalsh(np.cov(stored.T))
    found = {f"cosine of neighbour {rank}": float(np.median(scores[:, rank - 1])) for rank in (1, 10, _DEEP)}
    found["cosine of a random pair"] = float((asked * stored[:queries]).sum(axis=1).mean())
    found |= {f"dimensions about a point ({k} neighbours)": dimensions(scores[:, :k]) for k in (20, _DEEP)}
    found["dimensions of the whole (participation ratio)"] = float(variances.sum() ** 2 / (variances**2).sum())
    lists = faiss.index_factory(vectors.shape[1], f"IVF{_LISTS},Flat", faiss.METRIC_INNER_PRODUCT)
    lists.train(stored)
    lists.add(stored)
    for probes in _PROBES:
        lists.nprobe = probes
        share = recall(lists.search(asked, 10)[1], true)
        found[f"recall@10 in {probes} of {_LISTS} lists"] = share
    codes = faiss.index_factory(vectors.shape[1], _CODES, faiss.METRIC_INNER_PRODUCT)
    codes.train(stored)
    codes.add(stored)
    coarse = codes.search(asked, max(_EXAMINED))[1]
    found |= {f"recall@10 among the best {n} by {_CODES}": recall(coarse[:, :n], true) for n in _EXAMINED}
    return found


def dimensions(scores: NDArray[np.float32]) -> float:
    """Median local dimension, from the distances of unit vectors."""
    distances = np.sqrt(np.maximum(2 - 2 * scores, 1e-6))
    mean = np.log(distances[:, :-1] / distances[:, -1:]).mean(axis=1)
    return float(np.median(-1 / mean))


def recall(found: NDArray[np.int64], true: NDArray[np.int64]) -> float:
    """Of the ten nearest, the share that was found."""
    return float(np.mean([len(np.intersect1d(got, near[:10])) / 10 for got, near in zip(found, true, strict=True)]))


def report(options: argparse.Namespace, found: Mapping[str, Mapping[str, float]]) -> None:
    """Writes hardness.md and hardness.json."""
    figures = list(next(iter(found.values())))
    lines = [[figure, *(f"{one[figure]:.2f}" for one in found.values())] for figure in figures]
    about = f"{options.rows:,} distinct vectors of each, {options.queries:,} of them the queries. Medians and means."
    body = f"{about}\n\n" + table(["", *found], lines)
    write(options.out, "How hard the synthetic vectors are", body, {"found": found}, "hardness")


def main() -> None:
    """Compares and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("indexes", nargs="+", type=Path, metavar="DIR", help="index folders of really embedded texts")
    parser.add_argument("--rows", type=int, default=9_000)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE, help="where the report goes")
    options = parser.parse_args()
    some = {f"real {number}": real(path, options.rows) for number, path in enumerate(options.indexes, 1)}
    rows = min(map(len, some.values()))
    made = np.concatenate(list(blocks(World.of(options.seed), rows, options.seed + 2)))
    options.rows = rows
    found = {name: hardness(vectors[:rows], options.queries) for name, vectors in some.items()}
    report(options, {"synthetic": hardness(made, options.queries), **found})


if __name__ == "__main__":
    main()
