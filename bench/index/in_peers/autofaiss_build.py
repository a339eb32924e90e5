"""autofaiss chooses and builds an index of an array file. Runs in its own environment; prints one line of JSON."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from memory import Peak


def main() -> None:
    """Builds it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="1G")
    given = parser.parse_args()
    # autofaiss reads every array of a folder.
    copied = given.index.with_name(f"{given.index.name}-vectors")
    copied.mkdir(parents=True, exist_ok=True)
    np.save(copied / "vectors.npy", np.load(given.folder / "vectors.npy", mmap_mode="r")[: given.rows])

    import faiss
    from autofaiss import build_index
    from autofaiss.external.optimize import get_optimal_index_keys_v2

    faiss.omp_set_num_threads(given.threads)
    [key, *_] = get_optimal_index_keys_v2(given.rows, 384, given.memory)
    peak = Peak()
    started = time.perf_counter()
    build_index(
        str(copied),
        str(given.index),
        f"{given.index}.json",
        max_index_memory_usage=given.memory,
        current_memory_available="8G",
        metric_type="ip",
        nb_cores=given.threads,
    )
    seconds = time.perf_counter() - started
    most = peak.mib()
    peak.end()
    shutil.rmtree(copied)
    told = json.loads(Path(f"{given.index}.json").read_text(encoding="utf-8"))
    found = {"seconds": seconds, "peak_mib": most, "bytes": given.index.stat().st_size, "factory": key}
    print("\n" + json.dumps({**found, "told": {name: str(told[name]) for name in told if name != "index_path"}}))


if __name__ == "__main__":
    main()
