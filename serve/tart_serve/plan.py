"""The plan of a service: all that a process must know to build it, small enough to be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tart_index import IndexFolder
from tart_serve.index_arguments import IndexArgument
from tart_serve.open_indexes import EncoderSettings, open_indexes
from tart_serve.settings import ServiceSettings

if TYPE_CHECKING:
    from fastapi import FastAPI


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What to serve, and how.

    Attributes:
        indexes: Folders by name.
        encoder: How models are loaded.
        reranker: A reranker's name or folder; None for none.
        settings: Limits.
    """

    indexes: tuple[IndexArgument, ...]
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    reranker: str | None = None
    settings: ServiceSettings = field(default_factory=ServiceSettings)

    def check(self) -> dict[str, int]:
        """Looks at what is published, without loading a model.

        Returns:
            The number of documents of each index.

        Raises:
            IndexFolderError: An index is missing or damaged.
        """
        return {argument.name: len(IndexFolder.open(argument.folder)) for argument in self.indexes}

    def __call__(self) -> FastAPI:
        """Opens everything and puts the service together.

        Raises:
            IndexFolderError: An index is missing, damaged, or made by another model.
            ModelError: A model cannot be found or loaded.
        """
        from tart.reranker import Reranker
        from tart_serve.app import create_app

        searchers = open_indexes(self.indexes, self.encoder)
        how = self.encoder
        reranker = (
            Reranker.load(self.reranker, device=how.device, dtype=how.dtype, threads=how.threads)
            if self.reranker is not None
            else None
        )
        return create_app(searchers, self.settings, reranker)

    def for_one_of(self, workers: int) -> ServicePlan:
        """The plan of one worker of several: each has its share of the processors."""
        from tart.engines.hardware import available_cpus

        threads = max(1, (self.encoder.threads or available_cpus()) // workers)
        return replace(self, encoder=replace(self.encoder, threads=threads))
