"""The models of a service by the names that clients call them by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from tart.encoder import Encoder
from tart.model_folders import BASE_MODEL
from tart_serve.refusal import FieldFault, Refusal


class ServedModels:
    """Encoders by name: as stored with the index, without its organisation, or with its input format behind a colon.

    Where vectors are cut, their length stands behind another colon.

    Args:
        encoders: Those that are served; looked through anew for every request, for indexes may change their models.
    """

    def __init__(self, encoders: Iterable[Encoder]) -> None:
        self._encoders = encoders

    def __iter__(self) -> Iterator[tuple[str, Encoder]]:
        """Every encoder with the name that replies show."""
        return ((self.name_of(encoder), encoder) for encoder in self._distinct())

    def name_of(self, encoder: Encoder) -> str:
        """The encoder's public name; with its input format where another one has that name too."""
        name = public_name(encoder)
        return name if len(self._by_alias().get(name, [])) == 1 else _name_with_format(encoder)

    def named(self, name: str, also: Sequence[str] = ()) -> Encoder:
        """The encoder of a model name.

        Args:
            name: As a client gave it.
            also: Names of other models that the client could have meant, for the refusal.

        Raises:
            Refusal: No model has this name, or several have (404).
        """
        by_alias = self._by_alias()
        found = by_alias.get(name, [])
        if len(found) == 1:
            return found[0]
        known = ", ".join(sorted({*also, *(alias for alias, encoders in by_alias.items() if len(encoders) == 1)}))
        what = "several models are served under this name" if found else f"the model {name[:100]!r} is not served here"
        detail = f"{what}; there are: {known}"
        raise Refusal(404, detail, [FieldFault("#/model", detail)], code="model_not_found")

    def _by_alias(self) -> dict[str, list[Encoder]]:
        by_alias: dict[str, list[Encoder]] = {}
        for encoder in self._distinct():
            for alias in _aliases(encoder):
                by_alias.setdefault(alias, []).append(encoder)
        return by_alias

    def _distinct(self) -> list[Encoder]:
        by_print = {(encoder.fingerprint, encoder.input_format.fingerprint): encoder for encoder in self._encoders}
        return list(by_print.values())


def public_name(encoder: Encoder) -> str:
    """The model's name as replies show it: of a folder only its last part, for paths are nobody's business."""
    return public_model_name(encoder.name)


def public_model_name(name: str) -> str:
    """The same for a name alone."""
    name = name.replace("\\", "/")
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1 or ":" in name
    return PurePosixPath(name).name if is_path else name


def _name_with_format(encoder: Encoder) -> str:
    cut = f":{encoder.dim}" if encoder.uncut is not encoder else ""
    return f"{public_name(encoder)}:{encoder.input_format.name}{cut}"


def _aliases(encoder: Encoder) -> Iterator[str]:
    name = public_name(encoder)
    names = {name, name.rpartition("/")[2]}
    if name == BASE_MODEL:
        names.add(f"sentence-transformers/{name}")
    yield from sorted(names)
    yield _name_with_format(encoder)
