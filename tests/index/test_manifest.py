from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tart.errors import IndexFolderError
from tart.formats import TART
from tart_index.manifest import PART_FILES, Deletion, Manifest, Part, StoredModel
from tart_index.stored_file import StoredFile

FILE = StoredFile(100, "sha256:" + "a" * 64)
PART = Part("0" * 32, 3, 1, dict.fromkeys(PART_FILES, FILE))
MANIFEST = Manifest(
    version=2,
    created_at="2026-01-01T00:00:00+00:00",
    created_by="test",
    dim=4,
    model=StoredModel("m", "sha256:" + "b" * 64, "float32", 256),
    input_format=TART,
    parts=(PART, replace(PART, name="1" * 32, count=5)),
    default_instruction="find it",
    prompts={"code": "find code"},
    sources=("a.jsonl",),
    skipped={"not JSON": 2},
    deletions={"1" * 32: Deletion("2" * 32, 2, FILE)},
)


def test_reads_back_what_it_wrote() -> None:
    assert Manifest.from_bytes(MANIFEST.to_bytes()) == MANIFEST
    assert (MANIFEST.rows, MANIFEST.count, MANIFEST.truncated) == (8, 6, 2)


def test_the_fingerprint_follows_the_content_and_not_the_publication() -> None:
    later = replace(MANIFEST, version=3, created_at="2027-01-01T00:00:00+00:00", sources=("b.jsonl",))
    assert later.fingerprint == MANIFEST.fingerprint
    assert replace(MANIFEST, parts=MANIFEST.parts[1:]).fingerprint != MANIFEST.fingerprint
    assert replace(MANIFEST, deletions={}).fingerprint != MANIFEST.fingerprint
    assert replace(MANIFEST, prompts={}).fingerprint != MANIFEST.fingerprint
    assert replace(MANIFEST, parts=MANIFEST.parts[::-1]).fingerprint != MANIFEST.fingerprint


@given(st.data())
def test_every_changed_byte_is_found(data: st.DataObject) -> None:
    content = bytearray(MANIFEST.to_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    try:
        read = Manifest.from_bytes(bytes(content))
    except IndexFolderError:
        return
    # White space between values carries nothing.
    assert read == MANIFEST


@given(st.data())
def test_every_truncation_is_found(data: st.DataObject) -> None:
    content = MANIFEST.to_bytes()
    kept = data.draw(st.integers(0, len(content) - 2))
    with pytest.raises(IndexFolderError):
        Manifest.from_bytes(content[:kept])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "not the manifest of a tart index"),
        (b'{"kind": "other"}', "not the manifest of a tart index"),
        (b'{"kind": "tart-index", "format": 3}', "has folder format 3, this program reads 1 and 2"),
        (b'{"kind": "tart-index", "format": 1}', "its checksum differs"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_says_what_is_wrong(content: bytes, message: str) -> None:
    with pytest.raises(IndexFolderError, match=message):
        Manifest.from_bytes(content)


def test_a_manifest_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(IndexFolderError, match="stands twice"):
        replace(MANIFEST, parts=(PART, PART), deletions={})
    with pytest.raises(IndexFolderError, match=r"more rows of part 1{32} are deleted than it has"):
        replace(MANIFEST, deletions={"1" * 32: Deletion("2" * 32, 6, FILE)})


@pytest.mark.parametrize("name", ["../../etc", "0" * 31, "A" * 32, "0" * 32 + "/x"])
def test_a_part_name_cannot_leave_the_folder(name: str) -> None:
    with pytest.raises(IndexFolderError, match="not 32 hexadecimal digits"):
        replace(PART, name=name)


def test_the_json_is_there_to_be_read_by_others() -> None:
    body = json.loads(MANIFEST.to_bytes())
    assert (body["count"], body["dim"], body["metric"], body["format"]) == (6, 4, "inner_product", 1)
    assert body["parts"][0]["files"]["vectors.npy"] == {"bytes": 100, "sha256": "sha256:" + "a" * 64}
