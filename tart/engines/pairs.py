"""Cross-encoders: how a batch of token pairs becomes logits on this hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from tart.engines.hardware import Hardware
from tart.engines.packed_bert import PackedLayers
from tart.engines.pair_head import PairHead
from tart.errors import ModelError

_CPU_TOKEN_BUDGET = 2_048
_GPU_TOKEN_BUDGET = 32_768


class PairEngine(Protocol):
    """Scores one batch of pairs."""

    @property
    def token_budget(self) -> int:
        """Tokens per batch at which this engine is fastest on its device."""

    def score(self, texts: Sequence[NDArray[np.int32]], types: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
        """Logits of pairs.

        Args:
            texts: Token ids of each pair, special tokens included; equal lengths adjacent are fastest.
            types: Token types of each pair.

        Returns:
            Shape: (len(texts),), float32.
        """


class PackedPairs:
    """A BERT cross-encoder over packed tokens: no padding.

    Args:
        name: Of the model, for errors.
        config: The transformer's settings.
        tensors: Its weights, adapters merged.
        head: Its head.
        hardware: Where and in which number type it runs; the head is float32.

    Raises:
        ModelError: The weights lack a tensor that the settings promise.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        tensors: Mapping[str, torch.Tensor],
        head: PairHead,
        hardware: Hardware,
    ) -> None:
        self._layers = PackedLayers(name, config, tensors, hardware)
        self._head = head.eval().to(hardware.device)
        self._device = hardware.device

    @property
    def token_budget(self) -> int:
        """Tokens per batch at which this engine is fastest on its device."""
        return self._layers.token_budget

    @torch.inference_mode()
    def score(self, texts: Sequence[NDArray[np.int32]], types: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
        """Logits of one batch; see `PairEngine.score`."""
        in_a_row = np.concatenate(types)
        states, _ = self._layers(texts, in_a_row)
        lengths = torch.tensor([len(text) for text in texts], device=self._device)
        logits = self._head(states, lengths, torch.from_numpy(in_a_row).long().to(self._device))
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result


class ClassifierPairs:
    """Any one-label classifier that transformers loads, with its own code.

    Args:
        name: Of the model, for errors.
        path: Its folder.
        hardware: Where and in which number type it runs.

    Raises:
        ModelError: transformers cannot load the folder.
    """

    def __init__(self, name: str, path: str, hardware: Hardware) -> None:
        import transformers

        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        hardware.pin_threads()
        self._hardware = hardware
        try:
            self._model = transformers.AutoModelForSequenceClassification.from_pretrained(
                path, dtype=hardware.torch_dtype, local_files_only=True
            )
        except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
            reason = str(error).partition("\n")[0]
            raise ModelError(
                f"model {name!r} cannot be loaded as a reranker ({type(error).__name__}: {reason}); "
                "wanted a folder that sentence-transformers saved from a CrossEncoder"
            ) from error
        self._model.eval().to(hardware.device)
        self._pad = int(getattr(self._model.config, "pad_token_id", 0) or 0)
        self._has_types = int(getattr(self._model.config, "type_vocab_size", 0) or 0) > 1

    @property
    def token_budget(self) -> int:
        """Tokens per batch at which this engine is fastest on its device."""
        return _CPU_TOKEN_BUDGET if self._hardware.device == "cpu" else _GPU_TOKEN_BUDGET

    @torch.inference_mode()
    def score(self, texts: Sequence[NDArray[np.int32]], types: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
        """Logits of one batch; see `PairEngine.score`."""
        lengths = torch.tensor([len(text) for text in texts])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.full(mask.shape, self._pad, dtype=torch.long)
        ids[mask] = torch.from_numpy(np.concatenate(texts)).long()
        features = {"input_ids": ids, "attention_mask": mask.long()}
        if self._has_types:
            features["token_type_ids"] = torch.zeros_like(ids)
            features["token_type_ids"][mask] = torch.from_numpy(np.concatenate(types)).long()
        logits = self._model(**{name: value.to(self._hardware.device) for name, value in features.items()}).logits
        result: NDArray[np.float32] = logits[:, 0].float().cpu().numpy()
        return result
