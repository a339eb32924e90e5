"""The models of a service by the names that clients call them by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from tart.encoder import Encoder
from tart.model_folders import BASE_MODEL
from tart_serve.refusal import FieldFault, Refusal


class ServedModels:
    """Encoders by name: as stored with the index, without its organisation, or with its input format behind a colon.

    Args:
        encoders: Those that are served; looked through anew for every request, for indexes may change their models.
    """

    def __init__(self, encoders: Iterable[Encoder]) -> None:
        self._encoders = encoders

    def named(self, name: str) -> Encoder:
        """The encoder of a model name.

        Raises:
            Refusal: No model has this name, or several have (404).
        """
        by_alias = self._by_alias()
        found = by_alias.get(name, [])
        if len(found) == 1:
            return found[0]
        known = ", ".join(sorted(alias for alias, encoders in by_alias.items() if len(encoders) == 1))
        what = "several models are served under this name" if found else f"the model {name[:100]!r} is not served here"
        detail = f"{what}; there are: {known}"
        raise Refusal(404, detail, [FieldFault("#/model", detail)], code="model_not_found")

    def _by_alias(self) -> dict[str, list[Encoder]]:
        distinct = {(encoder.fingerprint, encoder.input_format.fingerprint): encoder for encoder in self._encoders}
        by_alias: dict[str, list[Encoder]] = {}
        for encoder in distinct.values():
            for alias in _aliases(encoder):
                by_alias.setdefault(alias, []).append(encoder)
        return by_alias


def public_name(encoder: Encoder) -> str:
    """The model's name as replies show it: of a folder only its last part, for paths are nobody's business."""
    return public_model_name(encoder.name)


def public_model_name(name: str) -> str:
    """The same for a name alone."""
    name = name.replace("\\", "/")
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1 or ":" in name
    return PurePosixPath(name).name if is_path else name


def _aliases(encoder: Encoder) -> Iterator[str]:
    name = public_name(encoder)
    names = {name, name.rpartition("/")[2]}
    if name == BASE_MODEL:
        names.add(f"sentence-transformers/{name}")
    yield from sorted(names)
    yield f"{name}:{encoder.input_format.name}"
