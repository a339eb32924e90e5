"""Index folders opened for a service: one model for all indexes that it made with the same input format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from tart.encoder import Encoder
from tart.engines.share import in_passing_thread
from tart.reranker import Reranker
from tart_index import IndexFolder, Searcher
from tart_index.manifest import Manifest
from tart_serve.index_arguments import IndexArgument


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How encoders are loaded; see `tart.encoder.Encoder.load`.

    Attributes:
        model: Where the indexes' model is now; as stored with each by default.
        device: "cpu", "cuda", "cuda:N" or "mps".
        dtype: Number type.
        threads: CPU threads.
    """

    model: str | None = None
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None

    def load(self, manifest: Manifest) -> Encoder:
        """The encoder that an index needs.

        Raises:
            ModelError: It cannot be found or loaded.
        """
        load = partial(
            Encoder.load,
            self.model or manifest.model.name,
            device=self.device,
            dtype=self.dtype,
            threads=self.threads,
            input_format=manifest.input_format,
            dimension=manifest.cut_dim,
        )
        return in_passing_thread(load)

    def load_reranker(self, name: str) -> Reranker:
        """A reranker, on the same hardware.

        Raises:
            ModelError: It cannot be found or loaded.
        """
        load = partial(Reranker.load, name, device=self.device, dtype=self.dtype, threads=self.threads)
        return in_passing_thread(load)


def open_indexes(arguments: Iterable[IndexArgument], settings: EncoderSettings) -> dict[str, Searcher]:
    """Opens every index.

    Raises:
        IndexFolderError: One is missing, damaged, or made by another model.
        ModelError: A model cannot be found or loaded.
    """
    folders = {argument.name: IndexFolder.open(argument.folder) for argument in arguments}
    encoders: list[Encoder] = []
    searchers: dict[str, Searcher] = {}
    for name, folder in folders.items():
        encoder = encoder_of(folder.manifest, encoders) or settings.load(folder.manifest)
        if encoder not in encoders:
            encoders.append(encoder)
        searchers[name] = Searcher(folder, encoder)
    return searchers


def encoder_of(manifest: Manifest, encoders: Iterable[Encoder]) -> Encoder | None:
    """The encoder that made an index, if it is among some; one whose vectors are cut shares the model of another."""
    cut = None
    for encoder in encoders:
        if encoder.input_format.fingerprint != manifest.input_format.fingerprint:
            continue
        if encoder.fingerprint == manifest.model.fingerprint:
            return encoder
        if manifest.made_by(encoder.uncut.fingerprint):
            cut = encoder.uncut.cut(manifest.dim)
    return cut
