"""Model names: what a name stands for on this machine, found offline first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tart.errors import ModelError
from tart.formats import InputFormat, preset_for
from tart.model_folders import (
    ADAPTER_CONFIG,
    BASE_MODEL,
    RERANKER_FILE,
    SHIPPED_BASES,
    find_folder,
    fingerprint,
    read_json,
)

DEFAULT_MODEL = "tart-dual"
ADAPTER_FILE = "tart_adapter.json"
MATRYOSHKA_FILE = "tart_matryoshka.json"
_NOT_ENCODERS = ("ForSequenceClassification", "ForCausalLM", "LMHeadModel", "ForConditionalGeneration")

Pooling = Literal["mean", "cls", "other"]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A bi-encoder's folder on disk, in the layout of sentence-transformers.

    Attributes:
        name: As the user gave it; stored with indexes.
        path: The folder with weights, settings and tokenizer; the base model's where there is an adapter.
        config: The transformer's ``config.json``.
        modules: The last part of each module's type in ``modules.json`` ("Transformer", "Pooling", "Normalize", ...).
        pooling: How token vectors become one vector, where it is a plain one.
        max_length: Tokens that the model takes, special tokens counted.
        input_format: The format saved in the folder, or the preset that its name tells.
        adapter: Folder of the low-rank adapter that is merged into the weights when they are loaded, if there is one.
        matryoshka: Lengths to which the model's vectors may be cut because it was trained for them, as far as its
            folder says.
    """

    name: str
    path: Path
    config: dict[str, Any]
    modules: tuple[str, ...]
    pooling: Pooling
    max_length: int
    input_format: InputFormat
    adapter: Path | None = None
    matryoshka: tuple[int, ...] = ()

    @classmethod
    def open(cls, name: str) -> ModelFolder:
        """Finds a model and reads its settings.

        Args:
            name: A shipped model, a folder, or a hub id.

        Raises:
            ModelError: There is no such model, or it is no encoder.
        """
        folder = _encoder_folder(name)
        adapter = folder if is_adapter(folder) else None
        path = base_of(name, folder) if adapter else folder
        config = read_json(path / "config.json")
        modules = _modules(path)
        _refuse_other_models(name, config, modules)
        return cls(
            name=name,
            path=path,
            config=config,
            modules=modules or ("Transformer", "Pooling"),
            pooling=_pooling(path) if modules else "mean",
            max_length=max_length_of(path, config),
            input_format=_input_format(name, folder, path),
            adapter=adapter,
            matryoshka=_matryoshka(folder, config if adapter is None else {}),
        )

    def fingerprint(self) -> str:
        """SHA-256 over weights, tokenizer and settings: models of one fingerprint give the same vectors."""
        if self.adapter is None:
            return fingerprint(self.path)
        both = fingerprint(self.path) + fingerprint(self.adapter)
        return "sha256:" + hashlib.sha256(both.encode()).hexdigest()


def cut_fingerprint(fingerprint: str, dimension: int) -> str:
    """Stands for a model whose vectors are cut: models of one fingerprint give the same vectors."""
    return "sha256:" + hashlib.sha256(f"{fingerprint} cut to {dimension}".encode()).hexdigest()


def locate(name: str) -> Path:
    """The folder of a whole model: shipped with the install, local, or from the hub (its cache first).

    Raises:
        ModelError: There is no such model here, and the hub has none or cannot be reached, or it is a reranker or an
            adapter.
    """
    path = _encoder_folder(name)
    if is_adapter(path):
        raise ModelError(f"model {name!r} is an adapter; wanted whole weights, for example {BASE_MODEL}")
    return path


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds a low-rank adapter and no weights of its own."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()


def base_of(name: str, folder: Path) -> Path:
    """The folder of the model that an adapter was trained on.

    Raises:
        ModelError: The adapter names none, or it is not here, or not the one that the adapter was trained on.
    """
    base = read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(f"model {name!r}: its {ADAPTER_CONFIG} names no base model; the model folder is damaged")
    try:
        path = locate(base)
    except ModelError as error:
        raise ModelError(f"model {name!r} adapts {base!r}, which is not here: {error}") from error
    check_base(name, base, path, _base_fingerprint(folder))
    return path


def check_base(name: str, base: str, path: Path, wanted: str | None) -> None:
    """Refuses a base that is not the one that an adapter was trained on.

    Raises:
        ModelError: The fingerprints differ.
    """
    found = fingerprint(path)
    if wanted is not None and found != wanted:
        raise ModelError(
            f"{name!r} was trained on {base!r} as {wanted[:19]}, found it as {found[:19]}; fetch that version of the "
            "base, or train anew"
        )


def save_base(folder: Path, base_fingerprint: str) -> None:
    """Writes beside an adapter which base it was trained on, where `base_of` finds it."""
    body = {"version": 1, "base_fingerprint": base_fingerprint}
    (folder / ADAPTER_FILE).write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


def save_matryoshka(folder: Path, dimensions: Sequence[int]) -> None:
    """Writes beside a model to which lengths its vectors may be cut, where `ModelFolder.open` finds it."""
    body = {"version": 1, "dimensions": sorted(dimensions)}
    (folder / MATRYOSHKA_FILE).write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


def _matryoshka(folder: Path, config: dict[str, Any]) -> tuple[int, ...]:
    """What `save_matryoshka` wrote, or else what the config names under the key that model hubs know."""
    file = folder / MATRYOSHKA_FILE
    found = read_json(file).get("dimensions") if file.is_file() else config.get("matryoshka_dimensions")
    return tuple(n for n in found if isinstance(n, int)) if isinstance(found, list) else ()


def _base_fingerprint(folder: Path) -> str | None:
    """What `save_base` wrote; None for an adapter that PEFT alone saved."""
    file = folder / ADAPTER_FILE
    if not file.is_file():
        return None
    value = read_json(file).get("base_fingerprint")
    if not isinstance(value, str):
        raise ModelError(f"{file}: base_fingerprint is {value!r}; wanted a string: the model folder is damaged")
    return value


def _encoder_folder(name: str) -> Path:
    path = find_folder(name)
    if (path / RERANKER_FILE).is_file():
        raise ModelError(
            f"model {name!r} is a reranker, which scores pairs and gives no vectors; wanted an encoder, "
            f"for example {DEFAULT_MODEL} (tart search and tart serve take a reranker as --rerank)"
        )
    if not (path / "config.json").is_file() and not is_adapter(path):
        raise ModelError(
            f"{name}: found a folder without config.json; wanted a model folder as sentence-transformers saves it, "
            f"or an adapter with {ADAPTER_CONFIG}"
        )
    return path


def _input_format(name: str, folder: Path, base: Path) -> InputFormat:
    saved = InputFormat.load(folder) or InputFormat.load(base)
    return saved or preset_for(name if name in SHIPPED_BASES else folder.name + " " + name)


def _modules(path: Path) -> tuple[str, ...]:
    file = path / "modules.json"
    if not file.is_file():
        return ()
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return tuple(str(row["type"]).rpartition(".")[2] for row in rows)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{file}: not a list of modules ({error}); the model folder is damaged") from error


def _refuse_other_models(name: str, config: dict[str, Any], modules: tuple[str, ...]) -> None:
    architectures = [str(item) for item in config.get("architectures") or []]
    other = [item for item in architectures if item.endswith(_NOT_ENCODERS)]
    if other and "Pooling" not in modules:
        raise ModelError(
            f"model {name!r} is a {other[0]}, which gives no text vectors; wanted an encoder, "
            f"for example {DEFAULT_MODEL} or a folder that sentence-transformers saved"
        )


def _pooling(path: Path) -> Pooling:
    file = path / "1_Pooling" / "config.json"
    if not file.is_file():
        return "other"
    settings = read_json(file)
    modes = {
        key.removeprefix("pooling_mode_") for key, on in settings.items() if key.startswith("pooling_mode_") and on
    }
    named = settings.get("pooling_mode")
    if isinstance(named, str):
        modes = {named}
    if settings.get("include_prompt") is False:
        return "other"
    if modes in ({"mean_tokens"}, {"mean"}):
        return "mean"
    return "cls" if modes in ({"cls_token"}, {"cls"}) else "other"


def max_length_of(path: Path, config: dict[str, Any]) -> int:
    """The limit that sentence-transformers would take: its own setting, else the smaller of tokenizer and positions."""
    own = path / "sentence_bert_config.json"
    limits = [read_json(own).get("max_seq_length")] if own.is_file() else []
    if not any(isinstance(limit, int) for limit in limits):
        tokenizer = path / "tokenizer_config.json"
        limits = [config.get("max_position_embeddings")]
        limits += [read_json(tokenizer).get("model_max_length")] if tokenizer.is_file() else []
    found = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 1_000_000]
    return min(found, default=512)
