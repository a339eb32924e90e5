from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tart.encoder import Encoder
from tart.engines import Hardware
from tart.errors import ModelError
from tart.models import ModelFolder, locate


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A model folder of our own to break."""
    folder = tmp_path / "model"
    shutil.copytree(locate("all-MiniLM-L6-v2"), folder)
    return folder


def edit(file: Path, **changes: object) -> None:
    settings = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**settings, **changes}), encoding="utf-8")


def test_the_shipped_model_is_found_without_a_hub() -> None:
    folder = ModelFolder.open("all-MiniLM-L6-v2")
    assert (folder.max_length, folder.pooling, folder.input_format.name) == (256, "mean", "tart")
    assert folder.modules == ("Transformer", "Pooling", "Normalize")
    assert ModelFolder.open("sentence-transformers/all-MiniLM-L6-v2").path == folder.path


def test_a_copy_has_the_same_fingerprint_and_a_changed_one_another(copy: Path) -> None:
    wanted = ModelFolder.open("all-MiniLM-L6-v2").fingerprint()
    assert ModelFolder.open(str(copy)).fingerprint() == wanted
    edit(copy / "sentence_bert_config.json", max_seq_length=128)
    assert ModelFolder.open(str(copy)).fingerprint() != wanted


@pytest.mark.parametrize("name", ["no-such-model", "./no-such-folder", "/no/such/folder", "a/b/c"])
def test_a_name_that_is_nothing_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=f"no model '{name}'"):
        Encoder.load(name)


def test_a_hub_id_that_is_not_here_is_refused_without_a_network() -> None:
    with pytest.raises(ModelError, match="no model 'nobody/nothing': not on this machine"):
        Encoder.load("nobody/nothing")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"found a folder without config\.json"):
        Encoder.load(str(tmp_path))


@pytest.mark.parametrize("architecture", ["BertForSequenceClassification", "GPT2LMHeadModel", "LlamaForCausalLM"])
def test_a_model_that_is_no_encoder_is_refused(copy: Path, architecture: str) -> None:
    edit(copy / "config.json", architectures=[architecture])
    (copy / "modules.json").unlink()
    with pytest.raises(ModelError, match=f"is a {architecture}, which gives no text vectors"):
        Encoder.load(str(copy))


@pytest.mark.parametrize("content", ["{", "[]"])
def test_damaged_settings_are_named(copy: Path, content: str) -> None:
    (copy / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.json"):
        Encoder.load(str(copy))


def test_missing_weights_are_named(copy: Path) -> None:
    edit(copy / "config.json", num_hidden_layers=7)
    with pytest.raises(ModelError, match=r"lacks encoder\.layer\.6\.attention"):
        Encoder.load(str(copy))


def test_weights_that_are_no_weights_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"not tensors at all")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        Encoder.load(str(copy))


def test_a_tokenizer_that_is_none_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        Encoder.load(str(copy))


def test_an_unloadable_model_is_refused_in_one_line(copy: Path) -> None:
    edit(copy / "config.json", model_type="nothing-known")
    with pytest.raises(ModelError, match="cannot be loaded as an encoder") as caught:
        Encoder.load(str(copy))
    assert "\n" not in str(caught.value)


def test_cls_pooling_is_told(copy: Path) -> None:
    edit(copy / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    assert ModelFolder.open(str(copy)).pooling == "cls"
    edit(copy / "1_Pooling" / "config.json", pooling_mode_max_tokens=True)
    assert ModelFolder.open(str(copy)).pooling == "other"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "tpu"}, "no device 'tpu'"),
        ({"dtype": "int3"}, "no number type 'int3'"),
        ({"threads": 0}, "threads is 0; wanted 1 or more"),
    ],
)
def test_hardware_that_is_not_there_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Hardware.choose(**arguments)  # type: ignore[arg-type]
