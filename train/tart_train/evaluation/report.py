"""What `report.json` and the files of single queries hold."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tart import __version__
from tart_index.files import replace_synced
from tart_train.evaluation.contrast_result import ContrastResult, contrast_figures
from tart_train.evaluation.figures import Figures, mean_figures, nested, set_figures
from tart_train.evaluation.run import Evaluation
from tart_train.evaluation.set_result import SetResult

FORMAT = 1
KIND = "tart-evaluation"
PER_QUERY_KIND = "tart-evaluation-queries"
REPORT, PER_QUERY = "report.json", "per_query.json"

_LIBRARIES = ("ir-measures", "numpy", "pytrec-eval-terrier", "sentence-transformers", "tokenizers", "torch")


def report(evaluation: Evaluation) -> dict[str, Any]:
    """Everything that is reported; only ``seconds`` differs between two runs over the same inputs."""
    settings = evaluation.settings
    sets = {one.name: set_figures(one, settings.seed, settings.resamples) for one in evaluation.sets}
    contrasts = {
        one.judged.name: contrast_figures(one, settings.seed, settings.resamples) for one in evaluation.contrasts
    }
    return {
        "kind": KIND,
        "format": FORMAT,
        "model": _model(evaluation),
        "reranker": dict(evaluation.reranker),
        "versions": _versions(),
        "settings": asdict(settings),
        "sets": {one.name: {**_about_set(one), "figures": nested(sets[one.name])} for one in evaluation.sets},
        "mean": nested(mean_figures(list(sets.values()))),
        "levels": {level: _level(names, sets) for level, names in evaluation.levels.items()},
        "contrast": {
            one.judged.name: {**_about_contrast(one), "figures": nested(contrasts[one.judged.name])}
            for one in evaluation.contrasts
        },
        "contrast_mean": nested(mean_figures(list(contrasts.values()))),
        "seconds": {kind: round(seconds, 2) for kind, seconds in evaluation.seconds.items()},
    }


def per_query(evaluation: Evaluation) -> dict[str, Any]:
    """Values of single queries and groups, for paired comparisons."""
    return {
        "kind": PER_QUERY_KIND,
        "format": FORMAT,
        "model": _model(evaluation),
        "sets": {
            one.name: {
                "queries": [query.id for query in one.plan.judged.queries],
                "values": {name: np.round(column, 6).tolist() for name, column in one.columns.items()},
            }
            for one in evaluation.sets
        },
        "contrast": {
            one.judged.name: {
                "queries": [group.name for group in one.groups],
                "values": {
                    name: [None if math.isnan(value) else round(value, 6) for value in column.tolist()]
                    for name, column in one.columns.items()
                },
            }
            for one in evaluation.contrasts
        },
    }


def write_json(file: Path, content: Mapping[str, Any], indent: int | None = 1) -> None:
    """Writes an object whole, by one rename."""
    replace_synced(file, (json.dumps(content, indent=indent, ensure_ascii=False) + "\n").encode())


def _model(evaluation: Evaluation) -> dict[str, Any]:
    encoder = evaluation.encoder
    return {
        "name": encoder.name,
        "fingerprint": encoder.fingerprint,
        "input_format": encoder.input_format.name,
        "input_format_fingerprint": encoder.input_format.fingerprint,
        "dtype": encoder.hardware.dtype,
        "dim": encoder.dim,
        "max_length": encoder.max_length,
    }


def _versions() -> dict[str, str]:
    found = {"tart": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _about_set(result: SetResult) -> dict[str, Any]:
    plan = result.plan
    card = plan.judged.card
    return {
        "documents": len(plan.judged.ids),
        "queries": len(plan.judged.queries),
        "intent": card.intent,
        "domain": card.domain,
        "unit": card.unit,
        "instructions": {
            "paraphrases": list(plan.wordings.texts),
            "wrong": plan.wrong.text,
            "wrong_from": plan.wrong.source,
        },
    }


def _about_contrast(result: ContrastResult) -> dict[str, Any]:
    return {
        "documents": len(result.judged.ids),
        "queries": len(result.judged.queries),
        "groups": len(result.groups),
        "changed_documents": sum(len(one.changed) for group in result.groups for one in group.oppositions),
        "pairs": sum(one.n_pairs for one in result.scores),
        "examples": sorted(set(result.instructions))[:5],
    }


def _level(names: Sequence[str], sets: Mapping[str, Figures]) -> dict[str, Any]:
    return {"sets": list(names), "figures": nested(mean_figures([sets[name] for name in names]))}
