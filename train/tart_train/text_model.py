"""A sentence-transformers model under training: token ids in length-sorted chunks to unit vectors with gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tart.engines.hardware import Hardware
from tart.errors import ModelError
from tart.models import ModelFolder
from tart.tokens import Tokens


def open_base(name: str) -> ModelFolder:
    """The folder of a model to start from.

    Raises:
        ModelError: There is none, or it is an adapter, which has no weights to put a new one on.
    """
    folder = ModelFolder.open(name)
    if folder.adapter is not None:
        raise ModelError(
            f"model {name!r} is an adapter; wanted whole weights to start from: its base, or what "
            "tart train export --merged makes of it"
        )
    return folder


def load_model(folder: ModelFolder, device: str) -> Any:
    """The base model in float32, without dropout and with its embeddings frozen.

    Raises:
        ModelError: sentence-transformers cannot load the folder.
    """
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # Measured: on a CPU plain attention trains nearly twice as fast as the fused one.
    attention = {"attn_implementation": "eager"} if device == "cpu" else {}
    try:
        model = SentenceTransformer(str(folder.path), device=device, model_kwargs={"dtype": torch.float32, **attention})
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"model {folder.name!r} cannot be loaded for training ({reason})") from error
    transformer = transformer_of(model)
    for module in transformer.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    transformer.config.attention_probs_dropout_prob = 0.0
    transformer.get_input_embeddings().requires_grad_(requires_grad=False)
    embeddings = getattr(transformer, "embeddings", None)
    if embeddings is not None:
        embeddings.requires_grad_(requires_grad=False)
    return model


def transformer_of(model: Any) -> Any:
    """The transformer inside a sentence-transformers model."""
    return model[0].auto_model


class TextModel:
    """Embeds chunks of texts.

    Args:
        model: A sentence-transformers model.
        hardware: Where it runs, and in which number type matrix products are made.
        chunk_tokens: Tokens of one chunk, padding included.
    """

    def __init__(self, model: Any, hardware: Hardware, chunk_tokens: int) -> None:
        self.model = model
        self._hardware = hardware
        self._chunk_tokens = chunk_tokens
        self._pad = int(model.tokenizer.pad_token_id or 0)

    @property
    def device(self) -> str:
        """Where the model is."""
        return self._hardware.device

    def chunks(self, tokens: Tokens, rows: Sequence[int] | None = None) -> list[NDArray[np.int64]]:
        """Rows in chunks of at most `chunk_tokens` with padding, sorted by length so that there is little of it."""
        chosen = np.arange(len(tokens)) if rows is None else np.asarray(rows, dtype=np.int64)
        lengths = tokens.lengths[chosen]
        order = chosen[np.argsort(-lengths, kind="stable")]
        found: list[NDArray[np.int64]] = []
        start = 0
        while start < len(order):
            longest = int(tokens.lengths[order[start]])
            stop = start + max(self._chunk_tokens // longest, 1)
            found.append(order[start:stop])
            start = stop
        return found

    def embed(self, tokens: Tokens, rows: NDArray[np.int64]) -> torch.Tensor:
        """One chunk's vectors. Shape: (len(rows), dim), float32, unit rows."""
        texts = [tokens[int(row)] for row in rows]
        lengths = torch.from_numpy(tokens.lengths[rows])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.full(mask.shape, self._pad, dtype=torch.long)
        ids[mask] = torch.from_numpy(np.concatenate(texts)).long()
        features: dict[str, Any] = {
            "input_ids": ids.to(self.device),
            "attention_mask": mask.long().to(self.device),
        }
        with self._autocast():
            first, *others = self.model
            features = first(features)
            skip = torch.from_numpy(tokens.skip[rows])
            if skip.any():
                counted = mask & (torch.arange(mask.shape[1]) >= skip[:, None])
                features["attention_mask"] = counted.long().to(self.device)
            for module in others:
                features = module(features)
        return torch.nn.functional.normalize(features["sentence_embedding"].float(), dim=1)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self._hardware.dtype == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.partition(":")[0], self._hardware.torch_dtype)
