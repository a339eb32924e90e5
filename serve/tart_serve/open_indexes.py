"""Index folders opened for a service: one encoder for all indexes of the same model and input format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tart.encoder import Encoder
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
        return Encoder.load(
            self.model or manifest.model.name,
            device=self.device,
            dtype=self.dtype,
            threads=self.threads,
            input_format=manifest.input_format,
        )


def open_indexes(arguments: Iterable[IndexArgument], settings: EncoderSettings) -> dict[str, Searcher]:
    """Opens every index.

    Raises:
        IndexFolderError: One is missing, damaged, or made by another model.
        ModelError: A model cannot be found or loaded.
    """
    folders = {argument.name: IndexFolder.open(argument.folder) for argument in arguments}
    encoders: dict[tuple[str, str], Encoder] = {}
    searchers: dict[str, Searcher] = {}
    for name, folder in folders.items():
        key = (folder.manifest.model.fingerprint, folder.manifest.input_format.fingerprint)
        if key not in encoders:
            encoders[key] = settings.load(folder.manifest)
        searchers[name] = Searcher(folder, encoders[key])
    return searchers
