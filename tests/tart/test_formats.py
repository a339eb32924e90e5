from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tart import Document, InputFormat, Instruction
from tart.errors import ModelError
from tart.formats import FILE_NAME, PRESETS, preset, preset_for

TITLED = Document("a", "the text", "The title")
UNTITLED = Document("b", "the text")
WANTED = {
    "tart": ("find it [SEP] q", "q", "The title the text", "the text"),
    "plain": ("q", "q", "The title the text", "the text"),
    "e5": ("query: q", "query: q", "passage: The title the text", "passage: the text"),
    "e5-instruct": ("Instruct: find it\nQuery: q", "q", "The title the text", "the text"),
    "bge": ("find it q", "q", "The title the text", "the text"),
    "instructor": (
        "find it q",
        "q",
        "Represent the document for retrieval: The title the text",
        "Represent the document for retrieval: the text",
    ),
    "qwen3": ("Instruct: find it\nQuery:q", "q", "The title the text", "the text"),
}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_render_what_their_models_were_trained_on(name: str) -> None:
    form = preset(name)
    rendered = (
        form.render_query("q", Instruction("find it")),
        form.render_query("q"),
        form.render_document(TITLED),
        form.render_document(UNTITLED),
    )
    assert rendered == WANTED[name]


@given(st.text(), st.text(), st.sampled_from(sorted(PRESETS)))
def test_braces_and_all_else_in_queries_stand_as_they_are(query: str, words: str, name: str) -> None:
    form = preset(name)
    instruction = Instruction(words)
    rendered = form.render_query(query, instruction)
    assert rendered == form.render_query_prefix(instruction) + query
    if form.takes_instruction and instruction:
        assert instruction.text in rendered


def test_a_format_without_the_placeholder_takes_no_instruction() -> None:
    assert not preset("plain").takes_instruction
    assert preset("plain").applied(Instruction("find it")) == Instruction()
    assert preset("tart").applied(Instruction("find it")) == Instruction("find it")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_saves_and_loads(tmp_path: Path, name: str) -> None:
    preset(name).save(tmp_path)
    assert InputFormat.load(tmp_path) == preset(name)


def test_a_folder_without_a_format_has_none(tmp_path: Path) -> None:
    assert InputFormat.load(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "found a list"),
        ("{}", "has no name"),
        ('{"name": "x", "colour": 1}', r"unknown settings \['colour'\]"),
        ('{"name": "x", "query": 3}', "wanted a str"),
        ('{"name": "x", "query": "{instruction}"}', r"wanted \{query\}"),
        ('{"name": "x", "document": "{text} {query}"}', "document template"),
    ],
)
def test_a_bad_format_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / FILE_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        InputFormat.load(tmp_path)


def test_the_fingerprint_follows_what_is_rendered_and_not_the_name() -> None:
    fingerprints = {form.fingerprint for form in PRESETS.values()}
    assert len(fingerprints) == len(PRESETS)
    assert InputFormat("other", query="{instruction} [SEP] {query}").fingerprint == preset("tart").fingerprint


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("intfloat/e5-small-v2", "e5"),
        ("intfloat/multilingual-e5-large-instruct", "e5-instruct"),
        ("BAAI/bge-small-en-v1.5", "bge"),
        ("hkunlp/instructor-base", "instructor"),
        ("Qwen/Qwen3-Embedding-0.6B", "qwen3"),
        ("all-MiniLM-L6-v2", "tart"),
    ],
)
def test_public_models_get_their_own_format(model: str, name: str) -> None:
    assert preset_for(model).name == name


def test_an_unknown_preset_is_named_with_those_there_are() -> None:
    with pytest.raises(ModelError, match="no input format 'tarte'; there are bge, e5"):
        preset("tarte")
