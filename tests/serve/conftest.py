"""Two small real indexes and the service over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tart import Document, Encoder, Reranker
from tart.readers import ReadReport
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, build_index
from tart_serve import create_app
from tart_serve.service import Service
from tests.tiny_models import tiny_encoder, tiny_reranker

FUNCTIONS = """merge two dictionaries|sort a list by key|read a file line by line|compress bytes with gzip|parse an ISO
date|open a TCP socket|hash a password|flatten nested lists|count words in text|remove duplicates from a list|reverse a
string|join paths|download a page|send an email|resize an image""".replace("\n", " ").split("|")


@pytest.fixture(scope="session")
def functions() -> list[Document]:
    """Thirty documents: fifteen functions, and a page of documentation for each."""
    code = [
        Document(f"code-{n}", f"def function_{n}(value): # {what}", what, {"kind": "code", "number": n})
        for n, what in enumerate(FUNCTIONS)
    ]
    guides = [
        Document(
            f"guide-{n}", f"How to {what}: this page explains it in detail. ö 日本 \U0001f600", "", {"kind": "guide"}
        )
        for n, what in enumerate(FUNCTIONS)
    ]
    return code + guides


@pytest.fixture(scope="session")
def build(
    tmp_path_factory: pytest.TempPathFactory, encoder: Encoder
) -> Callable[[str, list[Document], BuildOptions], Path]:
    """Builds an index folder of a name."""

    def build_folder(name: str, documents: list[Document], options: BuildOptions) -> Path:
        def read(report: ReadReport) -> Iterator[Document]:
            return iter(documents)

        folder = tmp_path_factory.mktemp("indexes") / name
        build_index(Corpus((name,), read), folder, encoder, options)
        return folder

    return build_folder


@pytest.fixture(scope="session")
def code_folder(build: Callable[..., Path], functions: list[Document]) -> Path:
    """An index with a named instruction and no default one."""
    options = BuildOptions(part_size=8, prompts={"function": "Find the Python function that does this"})
    return build("code", functions, options)


@pytest.fixture(scope="session")
def notes_folder(build: Callable[..., Path], functions: list[Document]) -> Path:
    """A smaller index with a default instruction."""
    return build("notes", functions[15:20], BuildOptions(default_instruction="Find the page that explains this"))


@pytest.fixture(scope="session")
def searcher(code_folder: Path, encoder: Encoder) -> Searcher:
    """The index "code", asked without the service."""
    return Searcher(IndexFolder.open(code_folder), encoder)


@pytest.fixture(scope="session")
def notes(notes_folder: Path, encoder: Encoder) -> Searcher:
    """The index "notes", asked without the service."""
    return Searcher(IndexFolder.open(notes_folder), encoder)


@pytest.fixture(scope="session")
def reranker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reranker with random weights."""
    home = tmp_path_factory.mktemp("models")
    return tiny_reranker(home / "tiny-reranker", tiny_encoder(home / "base"))


@pytest.fixture(scope="session")
def reranker(reranker_folder: Path) -> Reranker:
    return Reranker.load(str(reranker_folder), dtype="float32")


@pytest.fixture(scope="session")
def app(searcher: Searcher, notes: Searcher, reranker: Reranker) -> FastAPI:
    """The service over both indexes, with a reranker."""
    return create_app({"code": searcher, "notes": notes}, reranker=reranker)


@pytest.fixture(scope="session")
def client(app: FastAPI) -> Iterator[TestClient]:
    """A client of the running service, its indexes verified."""
    with TestClient(app, raise_server_exceptions=False) as client:
        service: Service = app.state.service
        assert client.portal is not None
        client.portal.call(service.readiness.verify)
        yield client
