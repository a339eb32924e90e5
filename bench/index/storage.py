"""What half precision and fewer numbers cost in quality, and save: the demo corpus, embedded for real."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.encoder import Encoder
from tart.models import DEFAULT_MODEL
from tart.readers import ReadReport
from tart_index.corpus import Corpus
from tart_index.demo import CODE, CheckScore, Question, questions, self_check, standard_library
from tart_index.exact import ExactSearch
from tart_index.folder import IndexFolder
from tart_index.importing import NpyVectors, import_vectors
from tart_index.manifest import VECTORS
from tart_index.vector_type import VECTOR_TYPES, VectorType

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import table, write

HERE = Path(__file__).parent
_K = 10
_ABOUT = """\
{documents:,} documents (code and documentation of the standard library of Python {python}), embedded once by
`{model}` in {dtype}; its vectors are then cut and rounded by `tart index import --dimension D --vector-dtype T`, as
`tart index build` does it. *Recall* is the share of the {k} nearest neighbours of the full float32 vectors that are
still found, over {questions} docstring summaries as queries, bare and under an instruction; searches are exact, so that
nothing but the vectors differs. *nDCG@10* is the demo's self-check, from a summary to the function's code, among code
alone and among code and documentation. The model was {trained}."""


class Stored(NamedTuple):
    """One way to store the vectors.

    Attributes:
        dim: Numbers in a vector.
        dtype: Their type.
        mebibytes: Of all vectors: on disk, and in memory while they are searched.
        recall: Of the ten nearest neighbours that the full vectors have, 0 to 1.
        scores: nDCG@10 without and with the instruction.
    """

    dim: int
    dtype: VectorType
    mebibytes: float
    recall: float
    scores: list[CheckScore]


class Trial:
    """The corpus with its full vectors, and what they find.

    Args:
        folder: For the index folders.
        encoder: The model, not cut.
        asked: How many questions.
    """

    def __init__(self, folder: Path, encoder: Encoder, asked: int) -> None:
        self._folder, self._encoder = folder, encoder
        self._vectors = folder / "vectors.npy"
        documents = list(standard_library().documents(ReadReport()))
        self._corpus = Corpus.from_documents("standard library", lambda: documents)
        np.save(self._vectors, encoder.encode_documents(documents))
        self.documents = len(documents)
        self.questions: Sequence[Question] = questions(documents, asked)
        self._truth = self._found(self._index(encoder, "float32"), encoder)

    def store(self, dim: int, dtype: VectorType) -> Stored:
        """Stores the vectors in one way and asks."""
        encoder = self._encoder.cut(dim)
        index = self._index(encoder, dtype)
        found = self._found(index, encoder)
        shared = [len(set(a) & set(b)) / _K for a, b in zip(found.tolist(), self._truth.tolist(), strict=True)]
        size = sum(part.files[VECTORS].bytes for part in index.manifest.parts) / 2**20
        return Stored(dim, dtype, size, float(np.mean(shared)), self_check(index, encoder, self.questions))

    def _index(self, encoder: Encoder, dtype: VectorType) -> IndexFolder:
        out = self._folder / f"{encoder.dim}-{dtype}"
        if not out.exists():
            vectors = NpyVectors(self._vectors)
            import_vectors(self._corpus, vectors, out, encoder, trust=True, vector_dtype=dtype)
        return IndexFolder.open(out)

    def _found(self, index: IndexFolder, encoder: Encoder) -> NDArray[np.int64]:
        texts = [question.text for question in self.questions]
        search = ExactSearch(index.vectors, encoder.hardware.threads)
        queries = [encoder.encode_queries(texts, [said] * len(texts), truncate=True) for said in ("", CODE)]
        return search.search(np.concatenate(queries), _K).rows


def rows(stored: Sequence[Stored]) -> list[list[str]]:
    """The report's table."""
    full = stored[0].mebibytes
    return [
        [
            f"{one.dim} x {one.dtype}",
            f"{one.mebibytes:.2f} ({one.mebibytes / full:.0%})",
            f"{one.recall:.4f}",
            *(f"{value:.3f}" for score in one.scores for value in (score.closed, score.pooled)),
        ]
        for one in stored
    ]


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[384, 256, 192, 128, 64])
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=HERE, help="where the report goes")
    arguments = parser.parse_args()

    encoder = Encoder.load(arguments.model, threads=arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        trial = Trial(Path(name), encoder, arguments.questions)
        stored = [trial.store(dim, dtype) for dim in arguments.dimensions for dtype in VECTOR_TYPES]
    trained = ", ".join(map(str, encoder.matryoshka))
    about = _ABOUT.format(
        documents=trial.documents,
        python=".".join(map(str, sys.version_info[:3])),
        model=arguments.model,
        dtype=encoder.hardware.dtype,
        k=_K,
        questions=f"{len(trial.questions):,}",
        trained=f"trained for {trained} numbers as well" if trained else "not trained for fewer numbers",
    )
    header = ["vectors", "MiB", "recall@10", "code, bare", "pooled, bare", "code, instructed", "pooled, instructed"]
    figures = {
        "stored": [{**one._asdict(), "scores": [score._asdict() for score in one.scores]} for one in stored],
        "documents": trial.documents,
        "questions": len(trial.questions),
        "model": encoder.fingerprint,
    }
    body = f"{about}\n\n{table(header, rows(stored))}"
    write(arguments.out, "Storing vectors in half precision, and cut", body, figures, "storage")


if __name__ == "__main__":
    main()
