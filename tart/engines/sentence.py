"""Any model that sentence-transformers loads, with its own code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tart.engines.hardware import Hardware
from tart.errors import ModelError
from tart.lora import merge_into
from tart.models import ModelFolder
from tart.tokens import read_tokenizer

_CPU_TOKEN_BUDGET = 1_024
_GPU_TOKEN_BUDGET = 32_768


class SentenceEngine:
    """Runs a sentence-transformers model over token ids.

    Raises:
        ModelError: sentence-transformers cannot load the folder, or the model has no fast tokenizer.
    """

    def __init__(self, folder: ModelFolder, hardware: Hardware) -> None:
        import transformers
        from sentence_transformers import SentenceTransformer

        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        hardware.pin_threads()
        self._hardware = hardware
        try:
            self._model = SentenceTransformer(
                str(folder.path), device=hardware.device, model_kwargs={"dtype": hardware.torch_dtype}
            )
        except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
            reason = str(error).partition("\n")[0]
            raise ModelError(
                f"model {folder.name!r} cannot be loaded as an encoder ({type(error).__name__}: {reason}); "
                "wanted a folder that sentence-transformers saved"
            ) from error
        if folder.adapter is not None:
            transformer: Any = next(iter(self._model.children())).auto_model
            merge_into(transformer, folder.adapter)
        self._model.eval()
        # Without a prompt length in the features this changes nothing; with one, pooling leaves the prompt out.
        self._model.set_pooling_include_prompt(include_prompt=False)
        self._tokenizer = _fast_tokenizer(folder, self._model.tokenizer)
        self._pad = int(self._model.tokenizer.pad_token_id or 0)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension())

    @property
    def token_budget(self) -> int:
        """Tokens per batch at which this engine is fastest on its device."""
        return _CPU_TOKEN_BUDGET if self._hardware.device == "cpu" else _GPU_TOKEN_BUDGET

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer."""
        return self._tokenizer

    @torch.inference_mode()
    def embed(self, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        """Embeds one batch; see `Engine.embed`."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        # The pooling module takes one prompt length a batch.
        for left_out in sorted(set(skip)):
            rows = [row for row, n in enumerate(skip) if n == left_out]
            for similar in _similar_lengths(rows, texts):
                vectors[similar] = self._forward([texts[row] for row in similar], left_out)
        return vectors

    def _forward(self, texts: Sequence[NDArray[np.int32]], skip: int) -> NDArray[np.float32]:
        lengths = torch.tensor([len(text) for text in texts])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.full(mask.shape, self._pad, dtype=torch.long)
        ids[mask] = torch.from_numpy(np.concatenate(texts)).long()
        device = self._hardware.device
        features: dict[str, object] = {"input_ids": ids.to(device), "attention_mask": mask.long().to(device)}
        if skip:
            features["prompt_length"] = skip
        vectors = self._model(features)["sentence_embedding"].float()
        result: NDArray[np.float32] = torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
        return result


def _similar_lengths(rows: Sequence[int], texts: Sequence[NDArray[np.int32]]) -> Iterator[list[int]]:
    """Rows in groups whose longest text is at most twice the shortest: padding is then less than the texts."""
    group: list[int] = []
    for row in sorted(rows, key=lambda row: len(texts[row])):
        if group and len(texts[row]) > 2 * len(texts[group[0]]):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _fast_tokenizer(folder: ModelFolder, tokenizer: object) -> Tokenizer:
    file = folder.path / "tokenizer.json"
    if file.is_file():
        return read_tokenizer(file)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ModelError(f"model {folder.name!r} has no tokenizer.json; wanted a model with a fast tokenizer")
    return backend
