from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from tart import Document, Encoder, InputFormat, Instruction, Reranker
from tart.engines.pair_head import PairHead
from tart.errors import ModelError, QueryError
from tart.formats import TART
from tart.models import locate
from tart.pair_format import PairFormat
from tart.pair_tokens import Pair, PairTokenizer
from tart.tokens import read_tokenizer
from tests.tiny_models import random_head, tiny_cross_encoder, tiny_encoder, tiny_reranker

# PEFT 0.21 asks transformers 5 for a name that it means to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")

QUERY = "merge two dicts"
INSTRUCTION = "Find the Python function that does this"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, base: Path) -> dict[str, Path]:
    """One reranker a pooling."""
    home = tmp_path_factory.mktemp("rerankers")
    return {pooling: tiny_reranker(home / pooling, base, pooling) for pooling in ("cls", "mean", "sides")}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def reranker(folders: dict[str, Path]) -> Reranker:
    return Reranker.load(str(folders["sides"]), dtype="float32")


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("foreign") / "cross-encoder")


@pytest.fixture
def broken(tmp_path: Path, folders: dict[str, Path]) -> Path:
    """A reranker of our own to break."""
    return Path(shutil.copytree(folders["sides"], tmp_path / "broken"))


def one_by_one(folder: Path, base: Path, pooling: str, documents: list[Document]) -> NDArray[np.float32]:
    """What PEFT and transformers make of each pair alone, pooled as the words of `PairHead` say."""
    from peft import PeftModel
    from transformers import AutoTokenizer, BertModel

    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(BertModel.from_pretrained(base), str(folder)).eval()
    head = random_head(pooling).eval()  # type: ignore[arg-type]
    scores = []
    for document in documents:
        pair = (
            f"{INSTRUCTION} [SEP] {QUERY}",
            f"{document.title} {document.text}" if document.title else document.text,
        )
        inputs = tokenizer(*pair, truncation="only_second", max_length=96, return_tensors="pt")
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state[0]
            sides = inputs["token_type_ids"][0]
            pooled = states[0] if pooling == "cls" else states.mean(0)
            logit = head.out(torch.tanh(head.dense(pooled)))[0]
            if pooling == "sides":
                query, answer = states[sides == 0].mean(0), states[sides == 1].mean(0)
                logit = logit + head.scale * (query @ answer) / (query.norm() * answer.norm())
        scores.append(float(torch.sigmoid(logit)))
    return np.array(scores, dtype=np.float32)


@pytest.fixture(scope="module")
def many(documents: list[Document]) -> list[Document]:
    """Documents of many lengths, some longer than a pair may be."""
    return [*documents, Document("long", "merge dictionaries " * 80), Document("titled", "text " * 200, "a title")]


@pytest.mark.parametrize("pooling", ["cls", "mean", "sides"])
def test_scores_are_those_of_each_pair_alone_in_peft(
    pooling: str, folders: dict[str, Path], base: Path, many: list[Document]
) -> None:
    found = Reranker.load(str(folders[pooling]), dtype="float32").score(QUERY, INSTRUCTION, many)
    wanted = one_by_one(folders[pooling], base, pooling, many)
    assert found.dtype == np.float32
    assert np.ptp(wanted) > 0.01
    assert np.abs(found - wanted).max() < 1e-5


def test_requests_are_scored_together_as_alone(reranker: Reranker, many: list[Document]) -> None:
    requests = [
        (QUERY, INSTRUCTION, many),
        (QUERY, None, many[:3]),
        ("parse dates", "", []),
        (QUERY, Instruction("other words"), many[5:9]),
    ]
    batches: list[int] = []
    together = reranker.score_many(requests, batches.append)
    assert [len(scores) for scores in together] == [len(documents) for _, _, documents in requests]
    for request, scores in zip(requests, together, strict=True):
        assert np.abs(scores - reranker.score(*request)).max(initial=0) < 1e-6
    assert np.abs(together[0][:3] - together[1]).max() > 1e-3
    assert sum(batches) == sum(len(documents) for _, _, documents in requests)
    assert reranker.score_many([]) == []
    assert reranker.score(QUERY, INSTRUCTION, []).shape == (0,)


def test_bfloat16_stays_close(folders: dict[str, Path], reranker: Reranker, many: list[Document]) -> None:
    found = Reranker.load(str(folders["sides"]), dtype="bfloat16").score(QUERY, INSTRUCTION, many)
    assert np.abs(found - reranker.score(QUERY, INSTRUCTION, many)).max() < 0.2


def test_a_pair_is_read_as_the_format_says(base: Path) -> None:
    tokenizer = PairTokenizer(read_tokenizer(base / "tokenizer.json"), PairFormat(TART, 64, 8))
    pairs = tokenizer([
        Pair("merge", Instruction("find it"), Document("a", "it", "find")),
        Pair("merge", Instruction(""), Document("a", "it")),
    ])  # fmt: skip
    assert pairs.tokens[0].tolist() == [101, 2424, 2009, 102, 13590, 102, 2424, 2009, 102]
    assert pairs.types_of(0).tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert pairs.tokens[1].tolist() == [101, 13590, 102, 2009, 102]
    assert pairs.types_of(1).tolist() == [0, 0, 0, 1, 1]


SHIPPED = locate("all-MiniLM-L6-v2") / "tokenizer.json"
TOKENIZER = PairTokenizer(read_tokenizer(SHIPPED), PairFormat(TART, 48, 12))
PLAIN = read_tokenizer(SHIPPED)
PLAIN.no_truncation()
PLAIN.no_padding()
words = st.text("abc é日.[]\n", min_size=0, max_size=60)


@settings(max_examples=100, deadline=None)
@given(query=words, instruction=words, text=words.filter(str.strip), repeat=st.integers(1, 40))
def test_instruction_and_query_are_never_cut(query: str, instruction: str, text: str, repeat: int) -> None:
    pair = Pair(query, Instruction(instruction), Document("a", text * repeat))
    side = PLAIN.encode(TART.render_query(query, pair.instruction), add_special_tokens=False).ids
    document = PLAIN.encode(pair.document.text, add_special_tokens=False).ids
    room = 48 - 3 - len(side)
    if not query.strip() or room < 12:
        with pytest.raises(QueryError):
            TOKENIZER([pair])
        return
    tokens = TOKENIZER([pair])
    assert tokens.tokens[0].tolist() == [101, *side, 102, *document[:room], 102]
    assert tokens.types_of(0).tolist() == [0] * (len(side) + 2) + [1] * (min(room, len(document)) + 1)
    assert bool(tokens.tokens.truncated[0]) == (len(document) > room)


def test_a_query_that_leaves_no_room_is_refused(reranker: Reranker, documents: list[Document]) -> None:
    message = "the query and its instruction take 94 of the reranker's 96 tokens, which leaves 0 for a document"
    with pytest.raises(QueryError, match=message):
        reranker.score("word " * 89, "four words of instruction", documents)
    with pytest.raises(QueryError, match=r"the query takes 89 of .* leaves 4 .* wanted 8 or more"):
        reranker.check("word " * 89)
    with pytest.raises(QueryError, match="the query is empty"):
        reranker.check(" ")
    reranker.check("word " * 85)


def test_a_foreign_cross_encoder_gives_its_own_scores(cross_encoder: Path, many: list[Document]) -> None:
    from sentence_transformers import CrossEncoder

    reranker = Reranker.load(str(cross_encoder), dtype="float32")
    pairs = [(f"{INSTRUCTION} {QUERY}", f"{d.title} {d.text}".strip()) for d in many]
    wanted = CrossEncoder(str(cross_encoder), device="cpu", activation_fn=torch.nn.Sigmoid()).predict(pairs)
    assert np.abs(reranker.score(QUERY, INSTRUCTION, many) - wanted).max() < 1e-5
    assert reranker.pair_format.max_length == 512
    config = json.loads((cross_encoder / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertForSequenceClassification"]


def test_the_general_engine_agrees_with_the_packed_one(
    tmp_path: Path, cross_encoder: Path, many: list[Document]
) -> None:
    packed = Reranker.load(str(cross_encoder), dtype="float32").score(QUERY, None, many)
    copy = Path(shutil.copytree(cross_encoder, tmp_path / "copy"))
    # What no engine of ours computes, but here is the same function.
    edit(copy / "config.json", is_decoder=True, architectures=["SomeForSequenceClassification"])
    (copy / "config.json").write_text((copy / "config.json").read_text().replace("true", "false"), encoding="utf-8")
    general = Reranker.load(str(copy), dtype="float32")
    assert type(general._engine).__name__ == "ClassifierPairs"
    assert np.abs(general.score(QUERY, None, many) - packed).max() < 1e-5


def test_an_untrained_head_of_sides_ranks_by_the_cosine_of_the_sides() -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(9, 6, generator=generator)
    types = torch.tensor([0, 0, 1, 1, 1, 0, 1, 1, 0])
    head = PairHead(6, "sides")
    found = head(states, torch.tensor([5, 3]), types)
    wanted = [
        torch.cosine_similarity(states[0:2].mean(0), states[2:5].mean(0), dim=0),
        torch.cosine_similarity(states[5], states[6:8].mean(0), dim=0),
    ]
    assert torch.allclose(found, 20 * torch.stack(wanted), atol=1e-5)


def edit(file: Path, **changes: object) -> None:
    body = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**body, **changes}), encoding="utf-8")


def test_an_encoder_is_no_reranker_and_the_other_way_round(base: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="is a BertModel, which scores no pairs; wanted a reranker"):
        Reranker.load(str(base))
    with pytest.raises(ModelError, match="is a BertModel, which scores no pairs"):
        Reranker.load("all-MiniLM-L6-v2")
    with pytest.raises(ModelError, match="is a reranker, which scores pairs and gives no vectors"):
        Encoder.load(str(folders["mean"]))


def test_an_adapter_without_a_pair_format_is_an_encoder_s(broken: Path) -> None:
    (broken / "tart_reranker.json").unlink()
    with pytest.raises(ModelError, match="an encoder's; wanted a reranker"):
        Reranker.load(str(broken))


@pytest.mark.parametrize("labels", [2, 3])
def test_a_classifier_of_several_labels_is_refused(tmp_path: Path, labels: int) -> None:
    with pytest.raises(ModelError, match=f"a classifier of {labels} labels; wanted one label"):
        Reranker.load(str(tiny_cross_encoder(tmp_path / "classifier", labels)))


def test_a_name_that_is_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model 'no-such-model'"):
        Reranker.load("no-such-model")
    with pytest.raises(ModelError, match=r"without tart_reranker\.json or config\.json"):
        Reranker.load(str(tmp_path))


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "head.safetensors"])
def test_damaged_weights_are_named(broken: Path, file: str) -> None:
    (broken / file).write_bytes((broken / file).read_bytes()[:100])
    with pytest.raises(ModelError, match=f"{file}: not a weights file"):
        Reranker.load(str(broken))
    (broken / file).unlink()
    with pytest.raises(ModelError, match=file):
        Reranker.load(str(broken))


def test_a_tensor_that_is_missing_from_the_adapter_is_told(broken: Path) -> None:
    file = broken / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors.pop(next(name for name in tensors if "lora_B" in name))
    save_file(tensors, file)
    with pytest.raises(ModelError, match="the adapter is damaged"):
        Reranker.load(str(broken))


def test_a_head_of_another_shape_is_told(broken: Path) -> None:
    save_file({"dense.weight": torch.zeros(2, 2)}, broken / "head.safetensors")
    with pytest.raises(ModelError, match=r"head\.safetensors: not the weights of a sides head"):
        Reranker.load(str(broken))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 9}, "found version 9; this tart reads 1"),
        ({"pooling": "max"}, "pooling is 'max'; wanted one of"),
        ({"max_length": "long"}, "max_length is 'long'; wanted a whole number"),
        ({"max_length": 4}, "max_length is 4 and min_document_tokens 8"),
        ({"templates": []}, "templates is .*; wanted an input format"),
        ({"base": None}, "base is None; wanted a string"),
        ({"base": "no-such-model"}, "adapts 'no-such-model', which is not here"),
        ({"base": "all-MiniLM-L6-v2"}, "was trained on 'all-MiniLM-L6-v2' as sha256"),
    ],
)
def test_damaged_settings_are_named(broken: Path, changes: dict[str, object], message: str) -> None:
    edit(broken / "tart_reranker.json", **changes)
    with pytest.raises(ModelError, match=message):
        Reranker.load(str(broken))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "an adapter of the kind 'IA3'; wanted LORA"),
        ({"use_dora": True}, "uses use_dora, which cannot be merged"),
        ({"lora_alpha": None}, "lora_alpha is None"),
    ],
)
def test_an_adapter_of_another_kind_is_refused(broken: Path, changes: dict[str, object], message: str) -> None:
    edit(broken / "adapter_config.json", **changes)
    with pytest.raises(ModelError, match=message):
        Reranker.load(str(broken))


def test_equal_models_have_equal_fingerprints(broken: Path, reranker: Reranker) -> None:
    assert Reranker.load(str(broken)).fingerprint == reranker.fingerprint
    edit(broken / "tart_reranker.json", max_length=95)
    assert Reranker.load(str(broken)).fingerprint != reranker.fingerprint


def test_a_format_is_read_back_as_it_was_written() -> None:
    ours = PairFormat(InputFormat("mine", query="{instruction}: {query}"), 100, 20)
    assert PairFormat.from_json(json.loads(json.dumps(ours.to_json()))) == ours
