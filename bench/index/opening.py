"""What opening a large index costs: anonymous memory, mapped files, bytes read, and the first answers."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import Encoder
from tart_index.corpus import Corpus
from tart_index.exact import ExactSearch
from tart_index.filter_mask import FilterMasks
from tart_index.folder import IndexFolder
from tart_index.importing import import_vectors
from tart_index.vector_type import VECTOR_TYPES, VectorType

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))
from processes import Server, tart_server, tree
from reporting import table, write

HERE = Path(__file__).parent
_MEBIBYTE = 2**20
_CLUSTERS = 1_000
_ABOUT = """\
Indexes of made-up clustered vectors of {dim} numbers and short texts, {sizes} documents. *Anonymous* memory belongs to
the process alone; *mapped* pages are those of the index's files (and of libraries), which the system takes back when it
needs memory. *Read* is what the process asked of files with `read`; mapped pages do not count there. The page cache is
warm, for the index was just written."""
_ABOUT_FOLDER = "In a process of its own, by `IndexFolder.open` and `ExactSearch` on one thread."
_ABOUT_SERVICE = """\
`tart serve` with one thread, from its start to `/readyz`, which says that every byte was verified and a search was
answered. Memory is taken then; two searches are asked over HTTP after that."""


class MadeVectors:
    """Unit vectors around random centres, made as they are taken.

    Args:
        dim: Their length.
    """

    def __init__(self, dim: int) -> None:
        self._rng = np.random.default_rng(0)
        self._centres = self._rng.standard_normal((_CLUSTERS, dim), dtype=np.float32)
        self._dim = dim
        self.left = 0

    def take(self, count: int) -> NDArray[np.float32]:
        """The next vectors; import brings them to unit length. Shape: (at most count, dim), float32."""
        count = min(count, self.left)
        self.left -= count
        noise = self._rng.standard_normal((count, self._dim), dtype=np.float32)
        vectors: NDArray[np.float32] = self._centres[self._rng.integers(_CLUSTERS, size=count)] + 0.7 * noise
        return vectors


def make(path: Path, rows: int, encoder: Encoder, dtype: VectorType) -> Path:
    """An index of so many made-up documents."""

    def documents() -> Iterator[Document]:
        return (Document(str(n), f"Document {n} of a made-up corpus", "", {"number": n}) for n in range(rows))

    vectors = MadeVectors(encoder.dim)
    vectors.left = rows
    import_vectors(Corpus.from_documents("made up", documents), vectors, path, encoder, trust=True, vector_dtype=dtype)
    return path


def memory(pids: Sequence[int]) -> dict[str, float]:
    """Anonymous and mapped resident memory of some processes, and what they have read, in MiB."""
    found = dict.fromkeys(("anonymous", "mapped", "read"), 0.0)
    names = {"RssAnon": "anonymous", "RssFile": "mapped"}
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in names:
                found[names[name]] += int(value.split()[0]) / 1024
        found["read"] += int(Path(f"/proc/{pid}/io").read_text().split()[1]) / _MEBIBYTE
    return found


def opened(path: Path) -> dict[str, Any]:
    """Opens an index in this process, searches and verifies it; memory after each step."""
    steps = {"before": memory([os.getpid()])}
    seconds = {}

    def note(name: str, started: float) -> None:
        seconds[name] = time.perf_counter() - started
        steps[name] = memory([os.getpid()])

    started = time.perf_counter()
    folder = IndexFolder.open(path)
    masks = FilterMasks(folder)
    search = ExactSearch(folder.vectors, threads=1)
    note("opened", started)
    query = folder.vector(0)[None]
    for name in ("first search", "second search"):
        started = time.perf_counter()
        best = search.search(query, 10, masks.allowed(None))
        folder.document(int(best.rows[0, 0]))
        note(name, started)
    started = time.perf_counter()
    folder.find(str(len(folder) - 1))
    note("document by id", started)
    started = time.perf_counter()
    for _ in folder.verify():
        pass
    note("verified", started)
    handles = sum(os.path.realpath(one).startswith(str(path.resolve())) for one in Path("/proc/self/fd").iterdir())
    return {"steps": steps, "seconds": seconds, "handles": handles}


def opened_alone(path: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    # Imported and warm before the first figure: what faiss and torch take is not the index's.
    command = [sys.executable, __file__, "--opened", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def served(path: Path) -> dict[str, Any]:
    """Starts `tart serve`, waits until it is ready, asks twice."""
    started = time.perf_counter()
    with tart_server(path, "--threads", "1") as server:
        ready = time.perf_counter() - started
        after = memory(tree(server.process.pid))
        seconds = [_asked(server, text) for text in ("the first question", "a second question")]
        return {"ready": ready, "memory": after, "searches": seconds, "later": memory(tree(server.process.pid))}


def _asked(server: Server, text: str) -> float:
    body = json.dumps({"query": text, "top_k": 10}).encode()
    url = f"{server.url}/v1/search"
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (loopback)
    started = time.perf_counter()
    with urlopen(request, timeout=60) as reply:  # noqa: S310 (loopback)
        reply.read()
    return time.perf_counter() - started


def folder_rows(found: Mapping[str, Any], vectors: float) -> list[list[str]]:
    """The table of one index that was opened: memory added since before it was."""
    before = found["steps"]["before"]
    return [
        [
            name,
            f"{found['seconds'][name] * 1_000:,.1f}",
            *(f"{step[kind] - before[kind]:,.1f}" for kind in ("anonymous", "mapped", "read")),
            f"{vectors:,.0f}",
        ]
        for name, step in found["steps"].items()
        if name != "before"
    ]


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--small", type=int, default=1_000, help="an index to compare with")
    parser.add_argument("--folder", type=Path, help="where the indexes are made; a temporary folder by default")
    parser.add_argument("--out", type=Path, default=HERE, help="where the report goes")
    parser.add_argument("--opened", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.opened:
        ExactSearch([np.zeros((8, 8), np.float16)], 1).search(np.zeros((1, 8), np.float32), 1)
        print(json.dumps(opened(arguments.opened)))
        return

    encoder = Encoder.load(threads=1)
    figures: dict[str, Any] = {}
    body = [_ABOUT.format(dim=encoder.dim, sizes=f"{arguments.small:,} and {arguments.rows:,}")]
    services = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        for rows in (arguments.small, arguments.rows):
            for dtype in VECTOR_TYPES:
                path = make(Path(name) / f"{rows}-{dtype}", rows, encoder, dtype)
                size = rows * encoder.dim * np.dtype(dtype).itemsize / _MEBIBYTE
                total = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / _MEBIBYTE
                alone, service = opened_alone(path), served(path)
                figures[f"{rows} {dtype}"] = {"mib": total, "vectors_mib": size, "alone": alone, "service": service}
                services.append(_service_row(f"{rows:,} x {dtype}", total, service))
                if rows == arguments.rows:
                    header = ["", "ms", "anonymous MiB", "mapped MiB", "read MiB", "vectors MiB"]
                    about = f"{_ABOUT_FOLDER} File handles held: {alone['handles']}."
                    body.append(f"## {rows:,} x {dtype}\n\n{about}\n\n{table(header, folder_rows(alone, size))}")
    header = ["index", "MiB on disk", "ready s", "anonymous MiB", "mapped MiB", "read MiB", "first ms", "second ms"]
    body.append(f"## Served\n\n{_ABOUT_SERVICE}\n\n{table(header, services)}")
    write(arguments.out, "Opening a large index", "\n\n".join(body), figures, "opening")


def _service_row(name: str, total: float, found: Mapping[str, Any]) -> list[str]:
    kinds = (f"{found['memory'][kind]:,.0f}" for kind in ("anonymous", "mapped", "read"))
    searches = (f"{seconds * 1_000:,.1f}" for seconds in found["searches"])
    return [name, f"{total:,.0f}", f"{found['ready']:.1f}", *kinds, *searches]


if __name__ == "__main__":
    main()
