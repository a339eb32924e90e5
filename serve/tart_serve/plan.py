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
        lanes: Batches that are worked on side by side; None takes as many as suit the models' device.
    """

    indexes: tuple[IndexArgument, ...]
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    reranker: str | None = None
    settings: ServiceSettings = field(default_factory=ServiceSettings)
    lanes: int | None = None

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
        from tart_serve.app import create_app
        from tart_serve.lanes import lanes_for

        searchers = open_indexes(self.indexes, self.encoder)
        how = self.encoder
        reranker = how.load_reranker(self.reranker) if self.reranker is not None else None
        # Models of later versions are loaded as those of the first ones.
        lanes = self.lanes or min(lanes_for(searcher.encoder.hardware) for searcher in searchers.values())
        engine = replace(self.settings.engine, lanes=lanes)
        settings = replace(self.settings, engine=engine, reload=replace(self.settings.reload, encoders=how))
        return create_app(searchers, settings, reranker)

    def for_one_of(self, workers: int) -> ServicePlan:
        """The plan of one worker of several: each has its share of the processors."""
        from tart.engines.hardware import available_cpus

        threads = max(1, (self.encoder.threads or available_cpus()) // workers)
        return replace(self, encoder=replace(self.encoder, threads=threads))
