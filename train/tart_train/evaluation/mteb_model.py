"""An encoder as mteb takes it (Muennighoff et al. 2023), so that every task of that benchmark can be run.

mteb is no dependency: nothing of it is imported before a model's metadata are asked for. Written for mteb 2.

    import mteb
    from tart_train.evaluation.mteb_model import MtebModel

    mteb.evaluate(MtebModel.load("my-model"), mteb.get_tasks(tasks=["SciFact"]))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import DependencyError

_DOCUMENT = "document"
_QUERY = "query"
# What stands for a text of nothing but white space, which some tasks hold: its vector must exist and says little.
_BLANK = "-"


class MtebModel:
    """Follows mteb's `EncoderProtocol`.

    The instruction of a query is its row's own, where the task gives one for each query (FollowIR, InstructIR); else
    the one given here for the task; else the task's prompt in mteb. Documents take none.

    Args:
        encoder: The bi-encoder.
        instructions: Task name -> instruction; "" asks without one.
    """

    def __init__(self, encoder: Encoder, instructions: Mapping[str, str] | None = None) -> None:
        self._encoder = encoder
        self._instructions = dict(instructions or {})

    @classmethod
    def load(
        cls,
        model_name: str,
        revision: str | None = None,
        *,
        device: str | None = None,
        instructions: Mapping[str, str] | None = None,
        **hardware: Any,
    ) -> MtebModel:
        """Loads a model; the arguments are those of an mteb loader.

        Args:
            model_name: See `Encoder.load`.
            revision: Not used: a folder is what it is.
            device: See `Encoder.load`.
            instructions: See the class.
            hardware: ``dtype`` and ``threads`` of `Encoder.load`.
        """
        del revision
        return cls(Encoder.load(model_name, device=device, **hardware), instructions)

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str = "",
        hf_subset: str = "",
        prompt_type: Any = None,
        **settings: Any,
    ) -> NDArray[np.float32]:
        """Embeds the batches of a data loader.

        Args:
            inputs: Batches with lists ``text``, and perhaps ``title`` and ``body``, or ``query`` and ``instruction``.
            task_metadata: Of the task; its name and prompt are read.
            hf_split: Not used.
            hf_subset: Not used.
            prompt_type: ``query``, ``document``, or None in a task that does not tell them apart.
            settings: mteb's own, such as the batch size; the encoder chooses its batches itself.

        Returns:
            Shape: (n_texts, dim), float32, unit rows.
        """
        side = getattr(prompt_type, "value", prompt_type)
        if side == _DOCUMENT:
            return self._encoder.encode_documents(_documents(inputs))
        prompt = self._prompt(task_metadata, side)
        texts: list[str] = []
        instructions: list[str] = []
        for batch in inputs:
            own = batch.get("instruction")
            words = batch["query"] if own is not None and "query" in batch else batch["text"]
            texts += [text if text.strip() else _BLANK for text in words]
            instructions += [prompt] * len(words) if own is None else [one or prompt for one in own]
        return self._encoder.encode_queries(texts, instructions, truncate=True)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of all pairs; shape: (n_1, n_2)."""
        import torch

        return torch.as_tensor(embeddings1) @ torch.as_tensor(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of corresponding pairs; shape: (n,)."""
        import torch

        return (torch.as_tensor(embeddings1) * torch.as_tensor(embeddings2)).sum(dim=-1)

    @property
    def mteb_model_meta(self) -> Any:
        """What mteb's results say of the model.

        Raises:
            DependencyError: mteb is not installed.
        """
        return model_meta(self._encoder.name, self._encoder)

    def _prompt(self, task_metadata: Any, side: str | None) -> str:
        if task_metadata.name in self._instructions:
            return self._instructions[task_metadata.name]
        prompt = task_metadata.prompt
        if isinstance(prompt, Mapping):
            prompt = prompt.get(side or _QUERY)
        return str(prompt or "")


def model_meta(name: str, encoder: Encoder | None = None) -> Any:
    """The `ModelMeta` of a model in mteb; without an encoder it is one that loads when mteb wants it.

    Raises:
        DependencyError: mteb is not installed.
    """
    try:
        meta = import_module("mteb.models.model_meta").ModelMeta
    except ImportError as error:
        raise DependencyError("no mteb is installed; install it: pip install 'mteb>=2'") from error
    short = name.rstrip("/").rpartition("/")[2]
    about: dict[str, Any] = {
        "loader": MtebModel.load,
        # mteb wants organisation/model, and makes folders of both.
        "name": name if name.count("/") == 1 and not name.startswith((".", "/", "~")) else f"tart/{short}",
        "revision": encoder.fingerprint.removeprefix("sha256:")[:40] if encoder else None,
        "max_tokens": encoder.max_length if encoder else None,
        "embed_dim": encoder.dim if encoder else None,
        "similarity_fn_name": "cosine",
        "use_instructions": encoder.input_format.takes_instruction if encoder else None,
        "framework": ["PyTorch"],
    }
    return meta.create_empty(about)


def _documents(inputs: Iterable[Mapping[str, Any]]) -> Iterable[Document]:
    """Documents of batches; mteb joins title and text, which the model's input format does itself."""
    number = 0
    for batch in inputs:
        texts: Sequence[str] = batch["text"]
        bodies: Sequence[str] = batch.get("body") or texts
        titles: Sequence[str | None] = batch.get("title") or [""] * len(texts)
        for title, body in zip(titles, bodies, strict=True):
            yield Document(
                str(number), body if body.strip() else title or _BLANK, (title or "") if body.strip() else ""
            )
            number += 1
