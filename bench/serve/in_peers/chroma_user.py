"""Runs in Chroma's environment: users of a Chroma server, as its guide has them.

A Chroma server takes vectors, so whoever asks embeds its query first: here an application of one process whose users
are threads, each with `collection.query(query_texts=[...])` and sentence-transformers behind it. Prints what load.py
prints.

chroma_user.py QUERIES.json MODEL PORT USERS SECONDS WARM_UP
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import chromadb
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction
from load import Load

source, model, port, users, seconds, warm_up = sys.argv[1:]
queries = json.loads(Path(source).read_text(encoding="utf-8"))
embed = SentenceTransformerEmbeddingFunction(model_name=model, normalize_embeddings=True)
client = chromadb.HttpClient(host="127.0.0.1", port=int(port))
collection = client.get_collection("documents", embedding_function=embed)
collection.query(query_texts=["warm"], n_results=10)

taking = threading.Lock()
latencies: list[float] = []
asked = 0
begins = time.perf_counter() + float(warm_up)
ends = begins + float(seconds)


def user() -> None:
    global asked  # noqa: PLW0603 (a script of one page)
    while (now := time.perf_counter()) < ends:
        with taking:
            query = queries[asked % len(queries)]
            asked += 1
        collection.query(query_texts=[query], n_results=10)
        if now >= begins:
            latencies.append((time.perf_counter() - now) * 1_000)


threads = [threading.Thread(target=user) for _ in range(int(users))]
cpu = time.process_time()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
share = (time.process_time() - cpu) / (float(seconds) + float(warm_up))
load = Load(float(seconds), {200: latencies}, 0, len(latencies), 0, asked > len(queries), share)
print(json.dumps(asdict(load)))
