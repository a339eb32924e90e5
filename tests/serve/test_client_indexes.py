"""The client on a service that takes documents."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tart import Document, Encoder
from tart_index import IndexFolder, Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.client import ConflictError, InvalidRequestError, KeyRefusedError, NotFoundError, RefusedError
from tart_serve.document_writer import WriteSettings
from tart_serve.reloading import ReloadSettings
from tests.serve.client_faces import FACES, Face, served

AWKWARD = "a/b c?d#e%2F%日本 \U0001f600"


@pytest.fixture(params=FACES)
def client(request: pytest.FixtureRequest, code_folder: Path, tmp_path: Path, encoder: Encoder) -> Iterator[Face]:
    """Of a service over a copy of an index, which it may write."""
    folder = shutil.copytree(code_folder, tmp_path / "code")
    settings = ServiceSettings(reload=ReloadSettings(interval=0), writes=WriteSettings(allowed=True))
    with served(create_app({"code": Searcher(IndexFolder.open(folder), encoder)}, settings)) as url:
        face = Face(request.param, url)
        yield face
        face.end()


def test_indexes_are_listed_and_described(client: Face, code_folder: Path) -> None:
    [summary] = client.indexes()
    description = client.index("code")
    manifest = IndexFolder.open(code_folder).manifest
    assert (summary.name, summary.documents, summary.fingerprint) == ("code", 30, manifest.fingerprint)
    assert (summary.model, summary.dim, summary.soundness) == ("all-MiniLM-L6-v2", 384, "sound")
    assert (description.name, description.documents, description.version) == ("code", 30, summary.version)
    assert description.prompts == {"function": "Find the Python function that does this"}
    assert (description.default_instruction, description.factory, description.max_tokens) == ("", "Flat", 256)
    keys = {key.key: key for key in description.metadata}
    assert keys["kind"].types == {"string": 30}
    assert set(keys["kind"].values) == {("code", 15), ("guide", 15)}
    assert keys["number"].values is None
    with pytest.raises(NotFoundError):
        client.index("other")


def test_documents_are_written_read_found_and_deleted(client: Face) -> None:
    document = Document(AWKWARD, "zebras graze on the savanna", "Zebras", {"kind": "animal"})
    done = client.upsert_documents([document, {"id": "code-0", "text": "changed"}], index="code")
    assert (done.added, done.updated, done.unchanged, done.deleted, done.embedded) == (1, 1, 0, 0, 2)
    stored = client.get_document(AWKWARD, index="code")
    assert (stored.id, stored.text, stored.title) == (document.id, document.text, document.title)
    assert (stored.metadata, stored.truncated, stored.index) == ({"kind": "animal"}, False, done.index)
    reply = client.search("zebras on the savanna", index="code", top_k=1)
    assert (reply.hits[0].id, reply.index) == (AWKWARD, done.index)
    assert client.upsert_documents([document], index="code").unchanged == 1
    assert client.delete_document(AWKWARD, index="code").deleted == 1
    with pytest.raises(NotFoundError, match="there is no document"):
        client.get_document(AWKWARD, index="code")
    assert client.search("zebras on the savanna", index="code", top_k=1).hits[0].id != AWKWARD


def test_a_stream_of_several_batches(client: Face) -> None:
    done = client.upsert_documents(({"id": f"new-{n}", "text": "short"} for n in range(130)), index="code")
    assert done.added == 130
    [summary] = client.indexes()
    assert summary.documents == 160
    assert summary.version == done.index.version


def test_a_document_that_cannot_be_one(client: Face) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.upsert_documents([{"id": "a", "text": " "}], index="code")
    assert caught.value.errors[0].pointer == "#/documents/0/text"


def test_reload(client: Face) -> None:
    reply = client.reload("code", verify=True)
    assert (reply.result, reply.index) == ("unchanged", reply.previous)
    assert client.index("code").last_reload.result == "unchanged"


def test_writes_where_none_are_allowed(searcher: Searcher) -> None:
    with served(create_app({"code": searcher})) as url:
        face = Face("sync", url)
        with pytest.raises(KeyRefusedError) as caught:
            face.upsert_documents([{"id": "a", "text": "b"}], index="code")
        assert caught.value.status == 403
        face.end()
    assert issubclass(ConflictError, RefusedError)
