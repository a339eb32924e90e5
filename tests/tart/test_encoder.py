from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tart import Document, Encoder, InputFormat, Instruction
from tart.engines import Hardware
from tart.engines.hardware import cpu_multiplies_bfloat16
from tart.engines.packed_bert import PackedBert, _filler, _grouped_attention, _groups, _padded_attention, supports
from tart.engines.sentence import SentenceEngine
from tart.errors import QueryError
from tart.model_folders import BASE_MODEL
from tart.models import ModelFolder

LONG = " ".join(["word"] * 300)


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Texts of 1 to about 400 tokens, so that some are cut."""
    rng = np.random.default_rng(0)
    words = [
        "merge",
        "two",
        "dictionaries",
        "sort",
        "a",
        "list",
        "read",
        "compress",
        "bytes",
        "parse",
        "dates",
        "open",
        "sockets",
        "hash",
        "text",
        "é",
        "日本",
    ]
    return [" ".join(rng.choice(words, size=size)) for size in rng.integers(1, 380, size=64)]


@pytest.fixture(scope="session")
def reference(texts: list[str]) -> NDArray[np.float32]:
    """What sentence-transformers itself makes of the texts."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(ModelFolder.open("all-MiniLM-L6-v2").path), device="cpu")
    return np.asarray(model.encode(texts, normalize_embeddings=True), dtype=np.float32)


def as_documents(texts: list[str]) -> list[Document]:
    return [Document(str(number), text) for number, text in enumerate(texts)]


def test_float32_gives_the_vectors_of_sentence_transformers(
    encoder: Encoder, texts: list[str], reference: NDArray[np.float32]
) -> None:
    found = encoder.encode_documents(as_documents(texts))
    assert found.dtype == np.float32
    assert np.abs(found - reference).max() < 1e-5


def test_bfloat16_stays_close(texts: list[str], reference: NDArray[np.float32]) -> None:
    found = Encoder.load(BASE_MODEL, dtype="bfloat16").encode_documents(as_documents(texts))
    assert (found * reference).sum(axis=1).mean() >= 0.997
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-5


def test_the_general_engine_agrees_with_the_packed_one(texts: list[str], encoder: Encoder) -> None:
    folder = ModelFolder.open("all-MiniLM-L6-v2")
    hardware = Hardware.choose("cpu", "float32")
    general = Encoder(folder, SentenceEngine(folder, hardware), folder.input_format, hardware)
    some = as_documents(texts[:12])
    assert np.abs(general.encode_documents(some) - encoder.encode_documents(some)).max() < 1e-5


def test_both_attentions_agree(texts: list[str]) -> None:
    generator = torch.Generator().manual_seed(0)
    groups = list(_groups([np.zeros(length, np.int32) for length in (2, 2, 5, 7, 7, 7)]))
    qkv = torch.randn(30, 3 * 24, generator=generator)
    grouped, padded = _grouped_attention(qkv, groups, 4), _padded_attention(qkv, groups, 4)
    assert torch.allclose(grouped, padded, atol=1e-6)
    # The third text alone, by the formula of Vaswani et al. 2017, equation 1.
    query, key, value = (part.view(5, 4, 6).transpose(0, 1) for part in qkv[4:9].split(24, dim=1))
    wanted = torch.softmax(query @ key.transpose(1, 2) / 6**0.5, dim=2) @ value
    assert torch.allclose(grouped[4:9], wanted.transpose(0, 1).reshape(5, 24), atol=1e-6)


def test_order_and_batch_size_do_not_matter(encoder: Encoder, texts: list[str]) -> None:
    together = encoder.encode_documents(as_documents(texts))
    alone = np.concatenate([encoder.encode_documents(as_documents([text])) for text in texts[:5]])
    backwards = encoder.encode_documents(as_documents(texts[::-1]))[::-1]
    assert np.abs(together[:5] - alone).max() < 1e-6
    assert np.abs(together - backwards).max() < 1e-6


def test_each_query_has_its_own_instruction(encoder: Encoder) -> None:
    instructions = ["find code", None, "", Instruction("find documentation")]
    together = encoder.encode_queries(["merge two dicts"] * 4, instructions)
    for row, instruction in enumerate(instructions):
        alone = encoder.encode_queries(["merge two dicts"], [instruction])[0]
        assert np.abs(together[row] - alone).max() < 1e-6
    assert np.array_equal(together[1], together[2])
    assert together[0] @ together[3] < 0.999


def test_the_model_reads_the_format_and_nothing_else(encoder: Encoder) -> None:
    tokens = encoder.tokenize_queries(["merge"], ["find it"])
    assert tokens[0].tolist() == [101, 2424, 2009, 102, 13590, 102]
    document = encoder.tokenize_documents([Document("a", "it", "find")])
    assert document[0].tolist() == [101, 2424, 2009, 102]


def test_pooling_leaves_the_instruction_out_where_the_format_says_so() -> None:
    form = InputFormat("masked", query="{instruction} [SEP] {query}", pools_instruction=False)
    masked = Encoder.load(BASE_MODEL, dtype="float32", input_format=form)
    pooled = Encoder.load(BASE_MODEL, dtype="float32", input_format=replace(form, pools_instruction=True))
    tokens = masked.tokenize_queries(["merge", "merge two"], ["find it", ""])
    assert tokens.skip.tolist() == [4, 0]
    # Mean over the last two token vectors only, computed with sentence-transformers' own transformer.
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(ModelFolder.open("all-MiniLM-L6-v2").path), device="cpu")
    with torch.inference_mode():
        states = model.encode("find it [SEP] merge", output_value="token_embeddings")
    wanted = torch.nn.functional.normalize(states[4:].mean(dim=0), dim=0).numpy()
    assert np.abs(masked.embed(tokens)[0] - wanted).max() < 1e-5
    both = [encoder.encode_queries(["merge"], ["find it"])[0] for encoder in (masked, pooled)]
    assert both[0] @ both[1] < 0.99
    folder = ModelFolder.open("all-MiniLM-L6-v2")
    general = Encoder(folder, SentenceEngine(folder, masked.hardware), form, masked.hardware)
    assert np.abs(general.embed(tokens) - masked.embed(tokens)).max() < 1e-5


def test_pooling_leaves_a_documents_prefix_out_too() -> None:
    masked = Encoder.load(BASE_MODEL, dtype="float32", input_format="instructor")
    tokens = masked.tokenize_documents([Document("a", "merge two"), Document("b", "merge two", "find")])
    # [CLS] represent the document for retrieval :
    assert tokens.skip.tolist() == [7, 7]
    assert masked.max_length == 256


def test_windows_come_in_order_with_their_vectors(encoder: Encoder, texts: list[str]) -> None:
    documents = as_documents(texts[:10])
    windows = list(encoder.encode_windows([documents[:4], documents[4:8], documents[8:]]))
    assert [len(window.documents) for window in windows] == [4, 4, 2]
    assert [document.id for window in windows for document in window.documents] == [str(n) for n in range(10)]
    joined = np.concatenate([window.vectors for window in windows])
    assert np.abs(joined - encoder.encode_documents(documents)).max() < 1e-6


def test_nothing_to_encode_is_an_empty_array(encoder: Encoder) -> None:
    assert encoder.encode_documents([]).shape == (0, 384)
    assert encoder.encode_queries([]).shape == (0, 384)


def test_progress_is_told_every_text(encoder: Encoder, texts: list[str]) -> None:
    told: list[int] = []
    encoder.embed(encoder.tokenize_documents(as_documents(texts)), told.append)
    assert sum(told) == len(texts)
    assert len(told) > 1


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_is_refused(encoder: Encoder, query: str) -> None:
    with pytest.raises(QueryError, match="the query is empty"):
        encoder.encode_queries([query])


def test_a_long_query_is_refused_with_its_length(encoder: Encoder) -> None:
    with pytest.raises(QueryError, match="together have 306 tokens, the model takes 256"):
        encoder.encode_queries([LONG], ["find some words"])


def test_truncation_cuts_the_query_and_keeps_the_instruction(encoder: Encoder) -> None:
    tokens = encoder.tokenize_queries([LONG], ["find it"], truncate=True)
    assert len(tokens[0]) == 256
    assert tokens[0][:4].tolist() == [101, 2424, 2009, 102]


def test_an_instruction_that_leaves_no_room_is_refused_even_with_truncation(encoder: Encoder) -> None:
    with pytest.raises(QueryError, match="the instruction alone takes 303 of the model's 256 tokens"):
        encoder.encode_queries(["merge"], [LONG], truncate=True)


def test_as_many_instructions_as_queries(encoder: Encoder) -> None:
    with pytest.raises(QueryError, match="found 2 queries and 1 instructions"):
        encoder.encode_queries(["a", "b"], ["x"])


def test_the_shipped_model_runs_packed() -> None:
    folder = ModelFolder.open("all-MiniLM-L6-v2")
    assert supports(folder)
    assert not supports(replace(folder, config={**folder.config, "hidden_act": "relu"}))
    assert not supports(replace(folder, modules=("Transformer", "Pooling", "Dense")))
    assert PackedBert(folder, Hardware.choose("cpu", "float32")).dim == 384


def test_bfloat16_is_chosen_only_where_the_cpu_multiplies_it() -> None:
    wanted = "bfloat16" if cpu_multiplies_bfloat16() else "float32"
    assert Hardware.choose("cpu").dtype == wanted
    assert Hardware.choose("cpu", "fp32").dtype == "float32"


def test_a_saved_format_travels_with_a_local_model(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(str(ModelFolder.open("all-MiniLM-L6-v2").path), device="cpu").save(str(tmp_path))
    form = InputFormat("mine", query="{instruction} >> {query}")
    form.save(tmp_path)
    local = Encoder.load(str(tmp_path), dtype="float32")
    assert local.input_format == form
    shipped = Encoder.load(BASE_MODEL, dtype="float32")
    documents = [Document("a", "merge two dicts")]
    assert np.abs(local.encode_documents(documents) - shipped.encode_documents(documents)).max() < 1e-6


def test_batches_have_few_sizes_and_little_filler() -> None:
    sizes = {tokens + _filler(tokens) for tokens in range(1, 1_025)}
    assert len(sizes) == 28
    assert {4, 24, 32, 40, 64, 80, 128, 160, 512, 640, 1_024} <= sizes
    assert all(_filler(tokens) < max(4, tokens / 4) for tokens in range(1, 10_000))
    assert max(map(_filler, range(1, 10_000))) == 127
