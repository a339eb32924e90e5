"""From the words of a command to a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tart_index.files import replace_synced
from tart_train.evaluation.compare import compare_folders
from tart_train.evaluation.compare_text import comparison_markdown
from tart_train.evaluation.report import PER_QUERY, write_json
from tart_train.examples import DataError

_RUN = {"paraphrases": 10, "rerank": None, "rerank_depth": 50, "runs": "none", "levels": None, "no_cache": False}


def run_comparison(
    first: str,
    second: str,
    sets: Sequence[Path],
    contrast: Sequence[Path],
    out: Path | None,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Compares two folders; or evaluates two models into ``out/a`` and ``out/b`` and compares these.

    Raises:
        DataError: Models are named without sets or without a folder for the reports.
    """
    folders = [Path(first), Path(second)]
    if not all((folder / PER_QUERY).is_file() for folder in folders):
        if not (sets or contrast) or out is None:
            raise DataError(
                f"{first} and {second} are not both folders that `tart eval run` wrote; give two of these, or two "
                "models with --sets (or --contrast) and --out"
            )
        folders = [out / "a", out / "b"]
        _evaluate([first, second], folders, sets, contrast, settings)
    comparison = compare_folders(*folders, seed=settings["seed"])
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "compare.json", comparison)
        replace_synced(out / "compare.md", comparison_markdown(comparison).encode())
    return comparison


def _evaluate(
    models: Sequence[str],
    folders: Sequence[Path],
    sets: Sequence[Path],
    contrast: Sequence[Path],
    settings: Mapping[str, Any],
) -> None:
    from tart_train.evaluation.task import run_evaluation

    for model, folder in zip(models, folders, strict=True):
        run_evaluation(model, sets, contrast, folder, {**_RUN, **settings})
