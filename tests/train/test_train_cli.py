"""`tart train dual` and `export` from recipe to a model that others load."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from tart.encoder import Encoder
from tart.errors import ModelError, TartError
from tart.formats import InputFormat
from tart.models import ModelFolder
from tart_train.dev_scores import ndcg
from tart_train.train_cli import train
from tart_train.training_log import read_metrics
from tests.train.tiny import recipe_file, workshop


def call(*arguments: object) -> str:
    done = CliRunner().invoke(train, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def dev_set(folder: Path) -> None:
    folder.mkdir()
    words = ("fever", "cough", "rash", "bank", "tax", "road")
    documents = [{"_id": f"d{n}", "title": "", "text": f"{word} text"} for n, word in enumerate(words)]
    queries = [{"_id": f"q{n}", "text": word} for n, word in enumerate(words)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", *(f"q{n}\td{n}\t1" for n in range(len(words)))]
    (folder / "qrels.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    card = {"name": "words", "intent": "find it", "licence": "CC0", "licence_class": "open"}
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of all that a recipe can switch on."""
    folder = workshop(tmp_path_factory.mktemp("cli"))
    dev_set(folder / "dev")
    loss = {"symmetric": True, "matryoshka": [16], "distillation": 0.5, "anchor": 0.1}
    recipe_file(folder, steps=4, loss=loss, dev={"sets": ["dev"], "steps": 2}, licences=["open"], grad_cache=False)
    told = call("dual", folder / "recipe.yaml", "--out", folder / "run", "--merged", "--device", "cpu", "--threads", 1)
    assert "trained 4 of 4 steps" in told
    return folder


def vectors(model: Path) -> np.ndarray:
    encoder = Encoder.load(str(model), device="cpu", dtype="float32", threads=1, input_format="tart")
    return encoder.encode_queries(["fever cough", "bank"], ["Find the causes", ""])


def test_a_run_leaves_model_metrics_picture_and_card(trained: Path) -> None:
    rows = read_metrics(trained / "run")
    assert [(row["step"], "dev" in row) for row in rows] == [
        (0, True), (1, False), (2, True), (2, False), (3, False), (4, True), (4, False),
    ]  # fmt: skip
    assert {"contrastive", "symmetric", "matryoshka_16", "anchor", "top1", "grad_norm", "tokens"} <= set(rows[1])
    assert set(rows[0]["dev"]["words"]) == {"bare", "instructed"}
    model = trained / "run" / "model"
    names = {"adapter_config.json", "adapter_model.safetensors", "tart_format.json", "README.md"}
    assert names <= {path.name for path in model.iterdir()}
    assert InputFormat.load(model) is not None
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "| facets | CC0 | open |" in card
    assert "seed 0" in card
    assert str(trained) not in card
    assert [ModelFolder.open(str(trained / "run" / name)).matryoshka for name in ("model", "merged")] == [(16,), (16,)]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # PEFT asks for it
def test_peft_loads_the_adapter_and_gets_the_merged_models_vectors(trained: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModel

    encoder = Encoder.load(str(trained / "run" / "merged"), device="cpu", dtype="float32", threads=1)
    tokens = encoder.tokenize_queries(["fever cough"], ["Find the causes"])
    model = PeftModel.from_pretrained(AutoModel.from_pretrained(trained / "base"), trained / "run" / "model").eval()
    with torch.no_grad():
        hidden = model(input_ids=torch.tensor(tokens[0][None]).long()).last_hidden_state.mean(dim=1)
    wanted = torch.nn.functional.normalize(hidden, dim=1).numpy()
    np.testing.assert_allclose(encoder.embed(tokens), wanted, atol=1e-5)
    assert np.abs(vectors(trained / "base") - vectors(trained / "run" / "merged")).max() > 1e-3


def test_the_encoder_loads_the_adapter_as_it_is_and_scaled(trained: Path) -> None:
    np.testing.assert_allclose(vectors(trained / "run" / "model"), vectors(trained / "run" / "merged"), atol=1e-6)
    call("export", trained / "run", "--out", trained / "none-of-it", "--scale", 0)
    np.testing.assert_allclose(vectors(trained / "none-of-it"), vectors(trained / "base"), atol=1e-6)


def test_an_adapter_is_no_base_and_another_base_is_noticed(trained: Path) -> None:
    recipe_file(trained, base=str(trained / "run" / "model"))
    with pytest.raises(ModelError, match="is an adapter; wanted whole weights to start from"):
        call("dual", trained / "recipe.yaml", "--out", trained / "bad")
    call("export", trained / "run", "--out", trained / "moved")
    file = trained / "moved" / "adapter_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    other = trained / "run" / "merged"
    file.write_text(json.dumps({**settings, "base_model_name_or_path": str(other)}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"was trained on .* found it as"):
        Encoder.load(str(trained / "moved"))


def test_export_scales_between_base_and_trained(trained: Path) -> None:
    for scale in (0, 1):
        call("export", trained / "run", "--out", trained / f"scaled-{scale}", "--scale", scale, "--merged")
    np.testing.assert_allclose(vectors(trained / "scaled-0"), vectors(trained / "base"), atol=1e-6)
    np.testing.assert_allclose(vectors(trained / "scaled-1"), vectors(trained / "run" / "merged"), atol=1e-6)
    call("export", trained / "run", "--out", trained / "half", "--scale", 0.5)
    call("export", trained / "half", "--out", trained / "half-merged", "--merged")
    call("export", trained / "run", "--out", trained / "half-direct", "--merged", "--scale", 0.5)
    np.testing.assert_allclose(vectors(trained / "half-merged"), vectors(trained / "half-direct"), atol=1e-6)
    with pytest.raises(ModelError, match="half exists already"):
        call("export", trained / "run", "--out", trained / "half")
    with pytest.raises(ModelError, match="found no adapter"):
        call("export", trained / "base", "--out", trained / "none")


def test_all_weights_can_be_trained(trained: Path) -> None:
    recipe_file(trained, steps=1, method="full")
    call("dual", trained / "recipe.yaml", "--out", trained / "whole", "--device", "cpu", "--threads", 1)
    assert np.abs(vectors(trained / "base") - vectors(trained / "whole" / "model")).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixture": "none"}, "none"),
        ({"licences": ["research"]}, "has the licence class 'open'; the recipe allows research"),
        ({"base": "nowhere/"}, "no model 'nowhere/'"),
        ({"method": "full", "loss": {"anchor": 1.0}}, "loss.anchor needs method: lora"),
        ({"sampling": {"weights": {"fqa": 1}}}, "names the task 'fqa'"),
        ({"dev": {"sets": ["nowhere"]}}, "nowhere: no such folder"),
    ],
)
def test_bad_input_is_named(trained: Path, changes: dict[str, object], message: str) -> None:
    recipe_file(trained, **changes)
    with pytest.raises(TartError, match=message):
        call("dual", trained / "recipe.yaml", "--out", trained / "bad")
    assert not (trained / "bad").exists()


@pytest.mark.parametrize("architecture", ["BertForSequenceClassification", "LlamaForCausalLM"])
def test_a_base_that_is_no_encoder_is_refused(trained: Path, tmp_path: Path, architecture: str) -> None:
    (tmp_path / "base").mkdir()
    settings = {"architectures": [architecture], "model_type": "bert"}
    (tmp_path / "base" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    recipe_file(trained, base=str(tmp_path / "base"))
    with pytest.raises(ModelError, match=f"is a {architecture}, which gives no text vectors"):
        call("dual", trained / "recipe.yaml", "--out", trained / "bad")


def test_ndcg_is_trec_evals() -> None:
    scores = np.array([[3.0, 2, 1, 0], [0, 1, 2, 3]], np.float32)
    gains = np.array([[0, 2, 1, 0], [0, 0, 0, 0]], np.float32)
    reached, best = 2 / np.log2(3) + 1 / np.log2(4), 2 / np.log2(2) + 1 / np.log2(3)
    assert ndcg(scores, gains).tolist() == pytest.approx([reached / best, 0.0])
