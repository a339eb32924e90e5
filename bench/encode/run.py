"""Documents per second against `SentenceTransformer.encode` with its defaults, on the same texts in one run."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from tart.documents import Document
from tart.encoder import Encoder
from tart.engines.hardware import cpu_multiplies_bfloat16
from tart.models import locate
from tart.readers import ReadReport
from tart_index.demo import standard_library

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import Spread, in_turn, table, write

QUERY = "how do I merge two dictionaries"
INSTRUCTION = "Find the Python function that implements this"
PEER = "sentence-transformers"


def text_sets(count: int) -> dict[str, list[str]]:
    """Real texts: short ones (one summary each), documentation and code of the standard library."""
    documents = list(standard_library().documents(ReadReport()))
    rng = np.random.default_rng(0)
    by_kind = {kind: [d.text for d in documents if d.metadata["kind"] == kind] for kind in ("documentation", "code")}
    chosen = {kind: [texts[i] for i in rng.permutation(len(texts))[:count]] for kind, texts in by_kind.items()}
    first_lines = [" ".join(text.split("\n\n")[0].split()) for text in by_kind["documentation"]]
    return {"summaries": [first_lines[i] for i in rng.permutation(len(first_lines))[: 2 * count]], **chosen}


def rate(encode: Callable[[], object], count: int) -> Callable[[], float]:
    """Measures documents per second."""

    def measure() -> float:
        started = time.perf_counter()
        encode()
        return count / (time.perf_counter() - started)

    return measure


def compare(
    texts: Sequence[str], encoders: dict[str, Encoder], peers: dict[str, SentenceTransformer], rounds: int
) -> dict[str, Spread]:
    """Documents per second of every encoder, run in turn."""
    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    measurements = {
        name: rate(lambda model=model: model.encode(list(texts)), len(texts)) for name, model in peers.items()
    }
    measurements |= {
        name: rate(lambda encoder=encoder: encoder.encode_documents(documents), len(texts))
        for name, encoder in encoders.items()
    }
    return in_turn(measurements, rounds)


def query_times(encoders: dict[str, Encoder], peers: dict[str, SentenceTransformer], repeats: int) -> dict[str, Spread]:
    """Milliseconds of one short query under an instruction."""
    text = f"{INSTRUCTION} [SEP] {QUERY}"
    calls: dict[str, Callable[[], object]] = {
        name: (lambda model=model: model.encode([text])) for name, model in peers.items()
    }
    calls |= {
        name: (lambda encoder=encoder: encoder.encode_queries([QUERY], [INSTRUCTION]))
        for name, encoder in encoders.items()
    }
    return in_turn({name: (lambda call=call: 1_000 / rate(call, 1)()) for name, call in calls.items()}, repeats)


def agreement(
    texts: Sequence[str], encoders: dict[str, Encoder], peer: SentenceTransformer
) -> dict[str, tuple[float, float]]:
    """Largest absolute difference and mean cosine to the peer's float32 vectors."""
    wanted = peer.encode(list(texts), normalize_embeddings=True)
    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    found = {name: encoder.encode_documents(documents) for name, encoder in encoders.items()}
    return {
        name: (float(np.abs(v - wanted).max()), float((v * wanted).sum(axis=1).mean())) for name, v in found.items()
    }


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="documents of each kind")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()

    path = str(locate("all-MiniLM-L6-v2"))
    half = arguments.device == "cuda" or cpu_multiplies_bfloat16()
    encoders = {"tart float32": Encoder.load(dtype="float32", device=arguments.device)}
    peers = {f"{PEER} float32 (its default)": SentenceTransformer(path, device=arguments.device)}
    if half:
        encoders["tart bfloat16"] = Encoder.load(dtype="bfloat16", device=arguments.device)
        settings = {"dtype": torch.bfloat16}
        peers[f"{PEER} bfloat16"] = SentenceTransformer(path, device=arguments.device, model_kwargs=settings)
    reference = f"{PEER} float32 (its default)"

    sets = text_sets(arguments.count)
    tokens = {
        name: encoders["tart float32"].tokenize_documents([Document(str(n), t) for n, t in enumerate(texts)]).lengths
        for name, texts in sets.items()
    }
    parts, figures = [], {}
    for name, texts in sets.items():
        found = compare(texts, encoders, peers, arguments.rounds)
        figures[name] = {encoder: spread._asdict() for encoder, spread in found.items()}
        mean = float(tokens[name].mean())
        rows = [
            [
                encoder,
                f"{spread:,.0f}",
                f"{spread.median * mean:,.0f}",
                f"{spread.median / found[reference].median:.2f}",
            ]
            for encoder, spread in found.items()
        ]
        parts.append(
            f"## {name}: {len(texts):,} texts, {mean:.0f} tokens on average\n\n"
            + table(["", "documents/s", "tokens/s", "ratio to the peer's default"], rows)
        )
    times = query_times(encoders, peers, 50)
    figures["query_ms"] = {encoder: spread._asdict() for encoder, spread in times.items()}
    rows = [[name, f"{spread:.2f}", f"{times[reference].median / spread.median:.2f}"] for name, spread in times.items()]
    parts.append(
        "## One query under an instruction\n\n" + table(["", "ms", "times as fast as the peer's default"], rows)
    )
    agreed = agreement(sets["documentation"], encoders, peers[reference])
    figures["agreement"] = {name: {"max_abs_difference": a, "mean_cosine": c} for name, (a, c) in agreed.items()}
    rows = [[name, f"{a:.1e}", f"{c:.5f}"] for name, (a, c) in agreed.items()]
    parts.append("## Same vectors\n\n" + table(["", "largest difference", "mean cosine"], rows))
    title = f"Encoding: tart against {PEER}, all-MiniLM-L6-v2, {arguments.device}"
    body = f"Medians of {arguments.rounds} rounds in turn (range in brackets); queries: 50 rounds.\n\n" + "\n\n".join(
        parts
    )
    write(
        Path(__file__).parent,
        title,
        body,
        figures,
        "report" if arguments.device == "cpu" else f"report_{arguments.device}",
    )


if __name__ == "__main__":
    main()
