"""Runs in txtai's environment: an index of the documents, as txtai's own guide builds one.

txtai_index.py DOCUMENTS.jsonl MODEL OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from txtai import Embeddings

source, model, out = sys.argv[1:]
with Path(source).open(encoding="utf-8") as lines:
    rows = [json.loads(line) for line in lines]
embeddings = Embeddings(path=model, content=True, maxlength=256)  # What the model was trained for, as the others read.
embeddings.index((row["id"], row["text"], None) for row in rows)
embeddings.save(out)
