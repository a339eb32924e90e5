"""An encoder that is an adapter: merged at load, refused when damaged or made for another base."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tart import Document, Encoder, InputFormat
from tart.engines import Hardware
from tart.engines.sentence import SentenceEngine
from tart.errors import ModelError
from tart.model_folders import BASE_MODEL, fingerprint
from tart.models import ModelFolder, locate, save_base

TARGET = "encoder.layer.2.attention.self.query"
TEXTS = [Document(id="a", text="merge two dicts"), Document(id="b", text="boil the rice for ten minutes", title="Rice")]


def write_adapter(folder: Path, *, rank: int = 4, alpha: float = 8.0, zero: bool = False, **settings: object) -> Path:
    folder.mkdir()
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "base_model_name_or_path": BASE_MODEL, **settings}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    torch.manual_seed(7)
    down, up = torch.randn(rank, 384) / 20, torch.zeros(384, rank) if zero else torch.randn(384, rank) / 20
    prefix = f"base_model.model.{TARGET}"
    save_file({f"{prefix}.lora_A.weight": down, f"{prefix}.lora_B.weight": up}, folder / "adapter_model.safetensors")
    save_base(folder, fingerprint(locate(BASE_MODEL)))
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write_adapter(tmp_path / "adapter")


def merged_by_hand(adapter: Path, folder: Path, scale: float) -> Path:
    """The base's folder with W + scale * B A written into its weights."""
    shutil.copytree(locate(BASE_MODEL), folder)
    weights = load_file(folder / "model.safetensors")
    tensors = load_file(adapter / "adapter_model.safetensors")
    down, up = (tensors[f"base_model.model.{TARGET}.lora_{side}.weight"] for side in "AB")
    weights[f"{TARGET}.weight"] = weights[f"{TARGET}.weight"] + scale * up @ down
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(("settings", "scale"), [({}, 2.0), ({"use_rslora": True}, 4.0)])
def test_an_adapter_gives_the_vectors_of_its_merged_weights(
    tmp_path: Path, settings: dict[str, object], scale: float
) -> None:
    adapter = write_adapter(tmp_path / "adapter", **settings)
    whole = merged_by_hand(adapter, tmp_path / "whole", scale)
    found, wanted, base = (
        Encoder.load(str(name), dtype="float32").encode_documents(TEXTS) for name in (adapter, whole, BASE_MODEL)
    )
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.abs(found - base).max() > 1e-3


def test_both_engines_merge_alike(adapter: Path) -> None:
    encoder = Encoder.load(str(adapter), dtype="float32")
    other = SentenceEngine(ModelFolder.open(str(adapter)), Hardware.choose("cpu", "float32", None))
    tokens = encoder.tokenize_documents(TEXTS)
    np.testing.assert_allclose(other.embed([tokens[0], tokens[1]], [0, 0]), encoder.encode_documents(TEXTS), atol=1e-5)


def test_an_adapter_that_adds_nothing_is_its_base_but_for_the_fingerprint(tmp_path: Path) -> None:
    adapter = Encoder.load(str(write_adapter(tmp_path / "adapter", zero=True)), dtype="float32")
    base = Encoder.load(BASE_MODEL, dtype="float32")
    np.testing.assert_array_equal(adapter.encode_documents(TEXTS), base.encode_documents(TEXTS))
    assert adapter.fingerprint != base.fingerprint


def test_the_fingerprint_follows_the_adapters_weights(tmp_path: Path) -> None:
    one, same, other = (
        ModelFolder.open(str(write_adapter(tmp_path / name, zero=zero))).fingerprint()
        for name, zero in (("one", False), ("same", False), ("other", True))
    )
    assert one == same
    assert one != other


def test_the_adapters_own_format_counts(adapter: Path) -> None:
    assert ModelFolder.open(str(adapter)).input_format.name == "tart"
    InputFormat(name="mine", query="{instruction}: {query}").save(adapter)
    assert ModelFolder.open(str(adapter)).input_format.name == "mine"


def change_config(adapter: Path, **settings: object) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_model_name_or_path": "./nowhere"}, r"adapts './nowhere', which is not here"),
        ({"base_model_name_or_path": None}, "names no base model"),
        ({"peft_type": "IA3"}, "found an adapter of the kind 'IA3'; wanted LORA"),
        ({"use_dora": True}, "uses use_dora, which cannot be merged"),
        ({"lora_alpha": "much"}, "lora_alpha is 'much'"),
    ],
)
def test_an_adapter_of_another_kind_is_refused(adapter: Path, settings: dict[str, object], message: str) -> None:
    change_config(adapter, **settings)
    with pytest.raises(ModelError, match=message):
        Encoder.load(str(adapter))


def test_an_adapter_of_another_base_is_refused(adapter: Path) -> None:
    save_base(adapter, "sha256:" + "0" * 64)
    with pytest.raises(ModelError, match=r"was trained on 'all-MiniLM-L6-v2' as sha256:000000000000, found it as"):
        Encoder.load(str(adapter))


def test_damaged_adapter_weights_are_refused(adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelError, match="the model folder is damaged"):
        Encoder.load(str(adapter))


def test_an_adapter_is_no_base(adapter: Path) -> None:
    with pytest.raises(ModelError, match=r"is an adapter; wanted whole weights, for example all-MiniLM-L6-v2"):
        locate(str(adapter))
