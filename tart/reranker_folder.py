"""A reranker on disk: ours (an adapter or whole weights, and a head), or a foreign cross-encoder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors.torch import save_file

from tart.engines.packed_bert import supports_layers
from tart.engines.pair_head import PairHead, PairPooling
from tart.errors import ModelError
from tart.formats import InputFormat
from tart.lora import load_tensors, merged
from tart.model_folders import ADAPTER_CONFIG, RERANKER_FILE, find_folder, fingerprint, read_json
from tart.models import check_base, locate, max_length_of
from tart.pair_format import PairFormat, foreign_pair_format

HEAD_FILE = "head.safetensors"
_VERSION = 1
_CLASSIFIER = "ForSequenceClassification"


@dataclass(frozen=True, slots=True)
class RerankerSettings:
    """What ``tart_reranker.json`` holds.

    Attributes:
        pair_format: What the model reads.
        pooling: How token states become one; see `PairHead`.
        base: Name of the encoder that an adapter adapts, or that whole weights were trained from.
        base_fingerprint: Of that encoder.
    """

    pair_format: PairFormat
    pooling: PairPooling
    base: str
    base_fingerprint: str

    def save(self, folder: Path) -> None:
        """Writes the settings beside the weights."""
        body = {
            "version": _VERSION,
            **self.pair_format.to_json(),
            "pooling": self.pooling,
            "base": self.base,
            "base_fingerprint": self.base_fingerprint,
        }
        (folder / RERANKER_FILE).write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> RerankerSettings:
        """Reads what `save` wrote.

        Raises:
            ModelError: The file is damaged or of a later version.
        """
        file = folder / RERANKER_FILE
        body = read_json(file)
        if body.get("version") != _VERSION:
            raise ModelError(
                f"{file}: found version {body.get('version')!r}; this tart reads {_VERSION}: update tart-retrieval"
            )
        if body.get("pooling") not in get_args(PairPooling):
            raise ModelError(f"{file}: pooling is {body.get('pooling')!r}; wanted one of {get_args(PairPooling)}")
        for name in ("base", "base_fingerprint"):
            if not isinstance(body.get(name), str):
                raise ModelError(f"{file}: {name} is {body.get(name)!r}; wanted a string")
        try:
            pair_format = PairFormat.from_json(body)
        except ModelError as error:
            raise ModelError(f"{file}: {error}") from error
        return cls(pair_format, body["pooling"], body["base"], body["base_fingerprint"])


@dataclass(frozen=True, slots=True)
class RerankerFolder:
    """A reranker's folder.

    Attributes:
        name: As the user gave it.
        path: The folder.
        body: The folder that holds the transformer's settings and tokenizer: the base's where there is an adapter.
        config: The transformer's ``config.json``.
        pair_format: What the model reads.
        pooling: How it pools; None for a foreign model, which pools as BERT does.
    """

    name: str
    path: Path
    body: Path
    config: dict[str, Any]
    pair_format: PairFormat
    pooling: PairPooling | None

    @classmethod
    def open(cls, name: str) -> RerankerFolder:
        """Finds a reranker and reads its settings.

        Raises:
            ModelError: There is no such model, it is damaged, or it is no reranker.
        """
        path = find_folder(name)
        if (path / RERANKER_FILE).is_file():
            return cls._ours(name, path)
        _refuse_encoders(name, path)
        config = read_json(path / "config.json")
        limit = max_length_of(path, config) - (2 if config.get("model_type") in ("roberta", "xlm-roberta") else 0)
        pair_format = foreign_pair_format(limit)
        texts = InputFormat.load(path)
        if texts is not None:
            pair_format = PairFormat(texts, pair_format.max_length, pair_format.min_document_tokens)
        return cls(name, path, path, config, pair_format, None)

    @classmethod
    def _ours(cls, name: str, path: Path) -> RerankerFolder:
        settings = RerankerSettings.load(path)
        body = path
        if (path / ADAPTER_CONFIG).is_file():
            body = _base(name, settings)
        elif not (path / "config.json").is_file():
            raise ModelError(
                f"reranker {name!r}: found neither {ADAPTER_CONFIG} nor config.json; the model folder is damaged"
            )
        config = read_json(body / "config.json")
        if not supports_layers(config):
            raise ModelError(
                f"reranker {name!r} stands on a {config.get('model_type')!r} transformer; wanted a plain BERT"
            )
        return cls(name, path, body, config, settings.pair_format, settings.pooling)

    @property
    def is_packable(self) -> bool:
        """Whether the padding-free engine computes what the model's own code would."""
        if self.pooling is not None:
            return True
        architectures = self.config.get("architectures") or []
        return (
            supports_layers(self.config)
            and "BertForSequenceClassification" in architectures
            and (self.path / "model.safetensors").is_file()
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        """The transformer's weights, the adapter merged.

        Raises:
            ModelError: They are missing or damaged.
        """
        weights = load_tensors(self.body / "model.safetensors")
        return weights if self.body == self.path else merged(weights, self.path)

    def head(self, tensors: dict[str, torch.Tensor]) -> PairHead:
        """The head, whose weights stand in a file of their own, or among a foreign model's.

        Raises:
            ModelError: They are missing or damaged.
        """
        width = int(self.config["hidden_size"])
        if self.pooling is not None:
            return load_head(self.path, width, self.pooling)
        names = {"bert.pooler.dense": "dense", "classifier": "out"}
        state = {
            f"{ours}.{kind}": tensors.get(f"{theirs}.{kind}", torch.empty(0)).float()
            for theirs, ours in names.items()
            for kind in ("weight", "bias")
        }
        return _filled(PairHead(width, "cls"), state, self.path / "model.safetensors")

    def fingerprint(self) -> str:
        """SHA-256 over everything that changes the scores."""
        parts = [fingerprint(folder) for folder in dict.fromkeys((self.path, self.body))]
        return "sha256:" + hashlib.sha256("".join(parts).encode()).hexdigest()


def save_head(head: PairHead, folder: Path) -> None:
    """Writes a head's weights beside the adapter."""
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in head.state_dict().items()}, folder / HEAD_FILE
    )


def load_head(folder: Path, width: int, pooling: PairPooling) -> PairHead:
    """Reads what `save_head` wrote.

    Raises:
        ModelError: The file is missing, damaged, or of another shape.
    """
    return _filled(PairHead(width, pooling), load_tensors(folder / HEAD_FILE), folder / HEAD_FILE)


def _filled(head: PairHead, state: dict[str, torch.Tensor], file: Path) -> PairHead:
    try:
        head.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{file}: not the weights of a {head.pooling} head ({reason[:200]}); it is damaged") from error
    return head


def _base(name: str, settings: RerankerSettings) -> Path:
    try:
        base = locate(settings.base)
    except ModelError as error:
        raise ModelError(f"reranker {name!r} adapts {settings.base!r}, which is not here: {error}") from error
    check_base(name, settings.base, base, settings.base_fingerprint)
    return base


def _refuse_encoders(name: str, path: Path) -> None:
    if (path / ADAPTER_CONFIG).is_file():
        raise ModelError(f"model {name!r} is an adapter without {RERANKER_FILE}: an encoder's; wanted a reranker")
    if not (path / "config.json").is_file():
        raise ModelError(
            f"{name}: found a folder without {RERANKER_FILE} or config.json; wanted a reranker that tart train full "
            "or sentence-transformers (CrossEncoder) saved"
        )
    config = read_json(path / "config.json")
    architectures = [str(item) for item in config.get("architectures") or []]
    if not any(item.endswith(_CLASSIFIER) for item in architectures):
        raise ModelError(
            f"model {name!r} is a {', '.join(architectures) or 'model of no stated kind'}, which scores no pairs; "
            "wanted a reranker: one that tart train full saved, or a CrossEncoder of one label"
        )
    labels = config.get("id2label")
    count = len(labels) if isinstance(labels, dict) else int(config.get("num_labels", 2))
    if count != 1:
        raise ModelError(f"model {name!r} is a classifier of {count} labels; wanted one label, the relevance")
