"""A finished selection with all that it came from: what reports and files are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from tart import __version__
from tart_index.selection.ann import Recall
from tart_index.selection.chosen import Selection
from tart_index.selection.options import SelectionOptions
from tart_index.selection.pool import Pool
from tart_index.selection.targets import Targets


class ModelCard(NamedTuple):
    """The model that made the vectors."""

    name: str
    fingerprint: str
    input_format: str
    input_format_fingerprint: str
    dtype: str


class EvaluationCard(NamedTuple):
    """An evaluation set that nothing may be taken from: its name, its SHA-256 and its number of examples."""

    name: str
    sha256: str
    examples: int


@dataclass(frozen=True, slots=True)
class SelectionRun:
    """A selection, its controls, and their sources; valid while `select_run` lasts.

    Attributes:
        options: As asked for.
        pool: The rows that could be chosen: ids, tasks, examples by row and, where they were needed, vectors.
        targets: What they should be like.
        selection: What was chosen.
        controls: Selections of the same size by "random", "balanced" and "bm25", where they were asked for.
        model: What made the vectors; None where there are none.
        against: Evaluation sets.
        recall: Of the approximate structure, where there was one.
    """

    options: SelectionOptions
    pool: Pool
    targets: Targets
    selection: Selection
    controls: Mapping[str, Selection] = field(default_factory=dict)
    model: ModelCard | None = None
    against: tuple[EvaluationCard, ...] = ()
    recall: Recall | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides what is chosen."""
        return fingerprint(self.options, self.pool, self.targets, self.model, self.against)

    def to_json(self, selection: Selection | None = None) -> dict[str, Any]:
        """What `selection.json` says of the selection, or of one of its controls."""
        told = selection or self.selection
        is_control = selection is not None
        counts = {
            "pool": len(self.pool),
            "targets": len(self.targets),
            "candidates": told.candidates,
            "chosen": len(told.chosen),
            "dropped": dict(told.dropped),
        }
        return {
            "kind": "tart-selection",
            "format": 1,
            "created_by": f"tart-retrieval {__version__}",
            "fingerprint": self.fingerprint,
            "method": told.method,
            "control_of": self.selection.method if is_control else None,
            "score": {"random": None, "balanced": None, "bm25": "bm25"}.get(told.method, "cosine"),
            "options": dict(self.options.to_json()),
            "pool": {"name": self.pool.name, "sha256": self.pool.sha256},
            "target": {"name": self.targets.name, "sha256": self.targets.sha256},
            "against": [card._asdict() for card in self.against],
            "model": None if self.model is None else self.model._asdict(),
            "ann": None if self.recall is None or is_control else asdict(self.recall),
            "counts": counts,
            "notes": list(told.notes),
            "controls": [] if is_control else sorted(self.controls),
        }


def fingerprint(
    options: SelectionOptions,
    pool: Pool,
    targets: Targets,
    model: ModelCard | None,
    against: tuple[EvaluationCard, ...],
) -> str:
    """SHA-256 of everything that decides what is chosen; the same before and after."""
    content = [
        dict(options.to_json()),
        pool.sha256,
        pool.notes,
        targets.sha256,
        targets.notes,
        None if model is None else [model.fingerprint, model.input_format_fingerprint, model.dtype],
        [card.sha256 for card in against],
    ]
    encoded = json.dumps(content, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return "sha256:" + hashlib.sha256(encoded).hexdigest()
