"""Recipes: what is read, and what is refused by which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tart_train.dual_recipe import DualRecipe
from tart_train.recipe import RecipeError, differing_keys, from_mapping, read_recipe, to_mapping


def read(text: str, folder: Path) -> DualRecipe:
    file = folder / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return read_recipe(file, DualRecipe)


def test_a_recipe_is_read_with_its_defaults(tmp_path: Path) -> None:
    found = read(
        "mixture: m\nsteps: 10\nloss: {matryoshka: [64, 128], anchor: 1}\noptimizer: {learning_rate: 1e-4}", tmp_path
    )
    assert (found.mixture, found.steps, found.seed, found.loss.temperature) == ("m", 10, 0, 0.05)
    assert found.loss.matryoshka == (64, 128)
    assert found.loss.anchor == 1.0
    assert found.optimizer.learning_rate == 1e-4
    assert from_mapping(to_mapping(found), DualRecipe) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mixture: m\nsteps: 1\nlos: {}", r"unknown key 'los'; did you mean 'loss'\?"),
        (
            "mixture: m\nsteps: 1\nloss: {temprature: 1}",
            "unknown key 'loss.temprature'; did you mean 'loss.temp",
        ),
        ("mixture: m", "the key 'steps' is missing"),
        ("mixture: m\nsteps: many", r"steps is 'many' \(str\); wanted int"),
        ("mixture: m\nsteps: true", r"steps is True \(bool\); wanted int"),
        ("mixture: m\nsteps: 0", "steps is 0; wanted 1 or more"),
        ("mixture: m\nsteps: 1\nmethod: qlora", "method is 'qlora'; wanted one of lora, full"),
        ("mixture: m\nsteps: 1\nlora: 8", r"lora is 8 \(int\); wanted keys and values"),
        ("mixture: m\nsteps: 1\nlora: {targets: query}", r"lora.targets is 'query' \(str\); wanted a list"),
        ("mixture: m\nsteps: 1\nlora: {targets: [1]}", r"lora.targets\[0\] is 1 \(int\); wanted text"),
        (
            "mixture: m\nsteps: 1\ninputs: {negative_kinds: [soft]}",
            r"inputs.negative_kinds\[0\] is 'soft'; wanted one of judged, hard",
        ),
        ("mixture: m\nsteps: 1\nlicences: [free]", r"licences\[0\] is 'free'; wanted one of open, research, none"),
        ("mixture: m\nsteps: 1\nsampling: {weights: {a: x}}", r"sampling.weights.a is 'x' \(str\); wanted float"),
        ("mixture: m\nsteps: 1\nsampling: {homogeneous: 2}", "sampling.homogeneous is 2.0; wanted a share from 0 to 1"),
        ("mixture: m\nsteps: 1\nchunk_tokens: 64", "chunk_tokens is 64; wanted at least inputs.max_document_length"),
        ("- a", "found list; wanted `key: value` lines"),
        ("a: [", "not YAML"),
    ],
)
def test_what_cannot_be_followed_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        read(text, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none.yaml: cannot be read \(No such file"):
        read_recipe(tmp_path / "none.yaml", DualRecipe)


def test_differing_keys_are_dotted() -> None:
    one = {"a": 1, "b": {"c": 1, "d": 2}, "e": 3}
    assert differing_keys(one, {"a": 1, "b": {"c": 2, "d": 2}}) == ["b.c", "e"]
    assert differing_keys({}, {"kinds": []}) == []
    assert differing_keys({}, {"kinds": ["hard"]}) == ["kinds"]
