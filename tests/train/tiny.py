"""A tiny random BERT and a small mixture: training in seconds."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from tart.documents import Document
from tart.models import locate
from tart_train.examples import Example, Negative
from tart_train.mixture import Mixture, MixtureWriter

WIDTH = 32
_TEXT = """fever cough rash pain dose trial child adult blood heart lung skin bone nerve sleep diet cause cure test sign
risk virus cell gene drug plan care cost rule tax law city road bank"""
_WORDS = _TEXT.split()
_ASPECTS = ("symptoms", "treatment", "causes")


def tiny_bert(folder: Path, seed: int = 0) -> Path:
    """A bi-encoder folder with the shipped model's tokenizer and two random layers."""
    shipped = locate("all-MiniLM-L6-v2")
    folder.mkdir(parents=True)
    for name in ("modules.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(shipped / name, folder / name)
    _change(shipped / "sentence_bert_config.json", folder / "sentence_bert_config.json", {"max_seq_length": 64})
    (folder / "1_Pooling").mkdir()
    _change(
        shipped / "1_Pooling" / "config.json", folder / "1_Pooling" / "config.json", {"word_embedding_dimension": WIDTH}
    )
    sizes = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "max_position_embeddings": 64,
    }
    _change(shipped / "config.json", folder / "config.json", sizes)
    save_file(_weights(folder, seed), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def small_mixture(folder: Path, *, instructions: Mapping[str, list[str]] | None = None) -> Mixture:
    """Two plain sets and one of contrast groups, with negatives of most kinds."""
    chance = random.Random(0)
    sets = {name: {"licence": "CC0", "licence_class": "open"} for name in ("faq", "news", "facets")}
    with MixtureWriter(folder) as writer:
        for name in ("faq", "news"):
            for number in range(24 if name == "faq" else 12):
                _add_plain(writer, name, number, chance)
        for topic in range(8):
            _add_group(writer, topic, chance)
        wordings = {name: [f"Find {name} {n} that fits" for n in range(4)] for name in ("faq", "news")}
        return writer.finish(wordings if instructions is None else instructions, {"sets": sets, "seed": 0})


def recipe_file(folder: Path, **changes: Any) -> Path:
    """A recipe for the tiny model and the small mixture, both in the same folder."""
    body: dict[str, Any] = {
        "mixture": "mixture",
        "base": str(folder / "base"),
        "steps": 6,
        "precision": "float32",
        "chunk_tokens": 256,
        "lora": {"r": 4, "alpha": 8},
        "sampling": {"batch_size": 8},
        "inputs": {"max_query_length": 32, "max_document_length": 32},
        "optimizer": {"learning_rate": 0.01},
        "checkpoints": {"steps": 2, "minutes": 0},
    }
    for key, value in changes.items():
        body[key] = {**body[key], **value} if isinstance(value, dict) and key in body else value
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(body), encoding="utf-8")
    return path


def workshop(folder: Path) -> Path:
    """A folder with base model, mixture and recipe."""
    tiny_bert(folder / "base")
    small_mixture(folder / "mixture")
    recipe_file(folder)
    return folder


def words(chance: random.Random, count: int) -> str:
    """Random words."""
    return " ".join(chance.choice(_WORDS) for _ in range(count))


def _add_plain(writer: MixtureWriter, name: str, number: int, chance: random.Random) -> None:
    ids = [f"{name}-{number}-{part}" for part in range(4)]
    for each in ids:
        writer.add_document(Document(each, words(chance, chance.randint(3, 20)), words(chance, 2)), name)
    negatives = (Negative(ids[2], "hard", 0.1), Negative(ids[3], "unfollowing", 0.4))
    writer.add(
        Example(f"{name}-q{number}", name, words(chance, 4), tuple(ids[: 1 + number % 2]), negatives, (), name, "")
    )


def _add_group(writer: MixtureWriter, topic: int, chance: random.Random) -> None:
    query = words(chance, 3)
    ids = {aspect: f"facets-{topic}-{aspect}" for aspect in _ASPECTS}
    for aspect, each in ids.items():
        writer.add_document(Document(each, f"{query} {aspect} {words(chance, 6)}"), "facets")
    for aspect in _ASPECTS:
        negatives = tuple(Negative(each, "polarity") for other, each in ids.items() if other != aspect)
        wordings = (f"Find the {aspect}", f"I want {aspect} only")
        writer.add(
            Example(
                f"facets-q{topic}-{aspect}",
                "facets",
                query,
                (ids[aspect],),
                negatives,
                wordings,
                "facets",
                f"topic-{topic}",
            )
        )


def _weights(folder: Path, seed: int) -> dict[str, torch.Tensor]:
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    model = BertModel(BertConfig.from_pretrained(folder))
    return {name: each.contiguous() for name, each in model.state_dict().items() if "position_ids" not in name}


def _change(source: Path, target: Path, changes: Mapping[str, Any]) -> None:
    body = json.loads(source.read_text(encoding="utf-8"))
    target.write_text(json.dumps({**body, **changes}), encoding="utf-8")
