"""The peers: their environments, their indexes over the same documents with the same weights, their servers."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from processes import ROOT, Server, free_port

from tart.documents import Document

_NEEDED = {"txtai": ["txtai[api]"], "chroma": ["chromadb", "sentence-transformers"]}
_SHOWN = {"txtai": ("txtai", "torch", "transformers", "faiss-cpu", "fastapi", "uvicorn")}
_SHOWN["chroma"] = ("chromadb", "torch", "sentence-transformers", "transformers")
_SCRIPTS = Path(__file__).parent / "in_peers"


class Environments:
    """A virtual environment a peer, made where it is missing: their requirements do not fit ours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def python(self, peer: str) -> str:
        """The interpreter of a peer's environment."""
        home = self._folder / peer
        python = home / "bin" / "python"
        if not python.exists():
            print(f"installing {peer} into {home}", file=sys.stderr)
            venv.create(home, with_pip=True)
            # torch by itself first: it would else come with the libraries of CUDA.
            torch = next(line for line in (ROOT / "constraints.txt").read_text().split() if line.startswith("torch=="))
            pip = [str(python), "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, torch], check=True)
            subprocess.run([*pip, torch, *_NEEDED[peer]], check=True)
        return str(python)

    def versions(self, peer: str) -> str:
        """Of what matters in a peer's environment."""
        command = [self.python(peer), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
        listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found = {row["name"]: row["version"] for row in listed}
        return ", ".join(f"{name} {found[name]}" for name in _SHOWN[peer] if name in found)


class Corpus(NamedTuple):
    """The documents in a file, and a folder beside it for the indexes over just these documents."""

    folder: Path
    file: Path

    @classmethod
    def write(cls, cache: Path, documents: Sequence[Document]) -> Corpus:
        """Writes the documents, unless they are there."""
        rows = [{"id": d.id, "text": d.text, "metadata": dict(d.metadata)} for d in documents]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        folder = cache / hashlib.sha256(text.encode()).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "documents.jsonl").write_text(text, encoding="utf-8")
        return cls(folder, folder / "documents.jsonl")


def tart_index(corpus: Corpus, name: str, *options: str) -> Path:
    """Our index; what is there already is not embedded again."""
    out = corpus.folder / name
    command = [sys.executable, "-m", "tart", "index", "build", str(corpus.file), "--out", str(out), *options]
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
    return out


def txtai_server(corpus: Corpus, environments: Environments, model: Path) -> Server:
    """The API of txtai over an index that holds the texts, as `content: true` does."""
    python, index = environments.python("txtai"), corpus.folder / "txtai"
    if not index.exists():
        script = str(_SCRIPTS / "txtai_index.py")
        subprocess.run([python, script, str(corpus.file), str(model), str(index)], check=True, stdout=sys.stderr)
    settings = corpus.folder / "txtai.yml"
    # JSON is YAML.
    settings.write_text(
        json.dumps(
            {
                "path": str(index),
                "writable": False,
                "embeddings": {"path": str(model), "content": True, "maxlength": 256},
            }
        )
    )
    port = free_port()
    command = [python, "-m", "uvicorn", "txtai.api:app", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "warning", "--no-access-log"]
    return Server(command, f"http://127.0.0.1:{port}", "/count", {"CONFIG": str(settings), "HF_HUB_OFFLINE": "1"})


class Chroma(NamedTuple):
    """A Chroma server and the collection in it."""

    server: Server
    port: int
    collection: str


def chroma_server(corpus: Corpus, environments: Environments, model: Path) -> Chroma:
    """A Chroma server with the documents, embedded by sentence-transformers where they come from."""
    python, port = environments.python("chroma"), free_port()
    command = [str(Path(python).parent / "chroma"), "run", "--path", str(corpus.folder / "chroma")]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    quiet = {"ANONYMIZED_TELEMETRY": "False", "HF_HUB_OFFLINE": "1"}
    server = Server(command, f"http://127.0.0.1:{port}", "/api/v2/heartbeat", quiet)
    indexing = [python, str(_SCRIPTS / "chroma_index.py"), str(corpus.file), str(model), str(port)]
    done = subprocess.run(indexing, check=True, stdout=subprocess.PIPE, text=True)
    return Chroma(server, port, done.stdout.split()[-1])


def chroma_users(
    environments: Environments, chroma: Chroma, model: Path, queries: Path, settings: tuple[int, float, float]
) -> str:
    """What the users of a Chroma server found, as JSON; settings are users, seconds and warm-up."""
    command = [environments.python("chroma"), str(_SCRIPTS / "chroma_user.py"), str(queries), str(model)]
    command += [str(chroma.port), *map(str, settings)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
