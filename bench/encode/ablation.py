"""Where the encoder's speed comes from: the same texts with and without weights reordered for oneDNN."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

from run import compare, text_sets

from tart.encoder import Encoder

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import table, write

ROUNDS = 5


def main() -> None:
    """Measures and writes the report."""
    encoders: dict[str, Encoder] = {}
    for dtype in ("float32", "bfloat16"):
        encoders[f"{dtype}, reordered weights"] = Encoder.load(device="cpu", dtype=dtype)
        with patch("tart.engines.linear.onednn_linear_works", return_value=False):
            encoders[f"{dtype}, plain torch"] = Encoder.load(device="cpu", dtype=dtype)
    texts = text_sets(500)["documentation"]
    found = compare(texts, encoders, {}, ROUNDS)
    rows = []
    for dtype in ("float32", "bfloat16"):
        plain = found[f"{dtype}, plain torch"].median
        rows += [[name, f"{s:,.0f}", f"{s.median / plain:.2f}"] for name, s in found.items() if name.startswith(dtype)]
    body = (
        f"{len(texts):,} documents of the standard library, packed without padding in every row; medians of {ROUNDS} "
        "rounds in turn (range in brackets).\n\n" + table(["", "documents/s", "ratio to plain torch"], rows)
    )
    figures = {name: spread._asdict() for name, spread in found.items()}
    write(Path(__file__).parent, "Encoding: what reordered weights give", body, figures, "ablation")


if __name__ == "__main__":
    main()
