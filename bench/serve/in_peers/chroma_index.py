"""Runs in Chroma's environment: a collection of the documents, in a Chroma server. Prints the collection's id.

chroma_index.py DOCUMENTS.jsonl MODEL PORT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import chromadb
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

_BATCH = 500

source, model, port = sys.argv[1:]
with Path(source).open(encoding="utf-8") as lines:
    rows = [json.loads(line) for line in lines]
client = chromadb.HttpClient(host="127.0.0.1", port=int(port))
collection = client.get_or_create_collection(
    "documents",
    embedding_function=SentenceTransformerEmbeddingFunction(model_name=model, normalize_embeddings=True),
    configuration={"hnsw": {"space": "cosine"}},
)
for start in range(collection.count(), len(rows), _BATCH):
    part = rows[start : start + _BATCH]
    collection.add(
        ids=[row["id"] for row in part],
        documents=[row["text"] for row in part],
        metadatas=[row["metadata"] for row in part],
    )
print(collection.id)
