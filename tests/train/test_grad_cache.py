"""Chunks, two passes, merged adapters and several processes give the gradients of one plain pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tart.engines.hardware import Hardware
from tart.models import ModelFolder
from tart.tokens import Tokens
from tart_train.grad_cache import GradCache
from tart_train.lora import add_adapters, lora_layers, merged, without_adapters
from tart_train.recipe import LoraSettings, RecipeError
from tart_train.text_model import TextModel, load_model, transformer_of
from tests.train.tiny import tiny_bert

ROOT = Path(__file__).parents[2]
CPU = Hardware("cpu", "float32", 1)


def texts(count: int = 12) -> Tokens:
    chance = np.random.default_rng(0)
    lengths = chance.integers(3, 20, count)
    rows = [chance.integers(1000, 20000, length) for length in lengths]
    return Tokens(
        np.concatenate(rows).astype(np.int32),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.zeros(count, np.bool_),
        np.zeros(count, np.int32),
    )


def loss(vectors: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    scores = vectors[:4] @ vectors[4:].T / 0.05
    return torch.nn.functional.cross_entropy(scores, torch.arange(4)), {}


def adapted(folder: Path) -> Any:
    model = load_model(ModelFolder.open(str(folder)), "cpu")
    torch.manual_seed(1)
    add_adapters(transformer_of(model), LoraSettings(r=4, alpha=8), "tiny")
    for layer in lora_layers(model):
        torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.1)
    return model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("grad") / "base")


def gradients(model: Any, chunk_tokens: int, **settings: Any) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    value, _ = GradCache(TextModel(model, CPU, chunk_tokens), **settings).step(texts(), loss)
    return value, {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


def plain(model: Any) -> tuple[float, dict[str, torch.Tensor]]:
    """One padded pass with the model's own forward."""
    model.zero_grad()
    tokens = texts()
    width = int(tokens.lengths.max())
    ids, mask = torch.zeros(len(tokens), width, dtype=torch.long), torch.zeros(len(tokens), width, dtype=torch.long)
    for row in range(len(tokens)):
        ids[row, : len(tokens[row])] = torch.from_numpy(tokens[row]).long()
        mask[row, : len(tokens[row])] = 1
    value, _ = loss(model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"])
    value.backward()
    return value.item(), {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("keep_graph", [False, True])
@pytest.mark.parametrize("fold", [False, True])
def test_gradients_are_those_of_one_plain_pass(base: Path, keep_graph: bool, fold: bool) -> None:
    model = adapted(base)
    around = {"around": lambda: merged(model)} if fold else {}
    value, found = gradients(model, 48, keep_graph=keep_graph, **around)
    wanted_value, wanted = plain(model)
    assert value == pytest.approx(wanted_value, rel=1e-5)
    assert found.keys() == wanted.keys()
    assert len(found) == 2 * 2 * 6
    for name, each in wanted.items():
        torch.testing.assert_close(found[name], each, rtol=1e-3, atol=1e-5, msg=name)


def test_the_model_is_as_it_was_after_a_merged_step(base: Path) -> None:
    model = adapted(base)
    tokens = texts()
    text_model = TextModel(model, CPU, 4096)
    (rows,) = text_model.chunks(tokens)
    before = text_model.embed(tokens, rows)
    with merged(model):
        torch.testing.assert_close(text_model.embed(tokens, rows), before, rtol=1e-4, atol=1e-6)
    assert text_model.embed(tokens, rows).equal(before)


def test_without_adapters_is_the_base_model(base: Path) -> None:
    model, untouched = adapted(base), load_model(ModelFolder.open(str(base)), "cpu")
    tokens = texts()
    (rows,) = TextModel(model, CPU, 4096).chunks(tokens)
    wanted = TextModel(untouched, CPU, 4096).embed(tokens, rows)
    with without_adapters(model):
        assert TextModel(model, CPU, 4096).embed(tokens, rows).equal(wanted)
    assert not TextModel(model, CPU, 4096).embed(tokens, rows).equal(wanted)


def test_chunks_keep_to_the_budget_and_hold_every_text_once(base: Path) -> None:
    model = load_model(ModelFolder.open(str(base)), "cpu")
    tokens = texts(40)
    chunks = TextModel(model, CPU, 64).chunks(tokens)
    assert sorted(np.concatenate(chunks).tolist()) == list(range(40))
    assert all(len(chunk) * tokens.lengths[chunk].max() <= 64 for chunk in chunks)
    padded = sum(len(chunk) * int(tokens.lengths[chunk].max()) for chunk in chunks)
    assert padded < 1.1 * len(tokens.ids)


def test_a_target_that_is_no_layer_is_refused(base: Path) -> None:
    model = load_model(ModelFolder.open(str(base)), "cpu")
    with pytest.raises(RecipeError, match=r"lora\.targets names 'q_proj'"):
        add_adapters(transformer_of(model), LoraSettings(targets=("q_proj",)), "tiny")


_RANK = """
import sys, torch, torch.distributed as dist
from pathlib import Path
from tart_train.lora import merged
from tests.train.test_grad_cache import adapted, gradients
rank, base, out = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{out}/meet", rank=rank, world_size=2)
model = adapted(base)
found = [gradients(model, 48, keep_graph=keep, around=lambda: merged(model)) for keep in (False, True)]
torch.save(found, out / f"{rank}.pt")
dist.destroy_process_group()
"""


def test_two_processes_give_what_one_gives(base: Path, tmp_path: Path) -> None:
    paths = os.pathsep.join(str(ROOT / part) for part in ("", "index", "train"))
    environment = {**os.environ, "PYTHONPATH": paths, "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-c", _RANK]
    started = [subprocess.Popen([*command, str(rank), str(base), str(tmp_path)], env=environment) for rank in range(2)]
    try:
        assert [process.wait(timeout=300) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
            process.wait()
    model = adapted(base)
    value, wanted = gradients(model, 48, around=lambda: merged(model))
    for rank in range(2):
        for their_value, found in torch.load(tmp_path / f"{rank}.pt"):
            assert their_value == pytest.approx(value, rel=1e-6)
            for name, each in wanted.items():
                torch.testing.assert_close(found[name], each, rtol=1e-4, atol=1e-6, msg=name)
