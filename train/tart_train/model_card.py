"""The card of a trained model: what it was made of, how, and how well it did."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("tart-retrieval", "torch", "transformers", "sentence-transformers", "peft", "datasets")
CARD = "README.md"


def write_card(
    place: Path, recipe: Mapping[str, Any], sets: Mapping[str, Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> Path:
    """Writes ``README.md`` beside a model.

    Args:
        place: The model's folder.
        recipe: As a mapping, with ``kind``, ``name``, ``base`` and ``seed``.
        sets: Of the mixture's card: licence, class and source of each.
        rows: Of the metrics.
    """
    head = {
        "base_model": _hub_name(str(recipe["base"])),
        "library_name": "peft" if recipe.get("method") == "lora" else "sentence-transformers",
        "tags": ["tart", "retrieval", "instructions", str(recipe["kind"])],
    }
    parts = [
        "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in head.items()) + "---\n",
        f"# {recipe['name']}\n",
        f"TART-{recipe['kind']}, trained from {head['base_model']} (Asai et al. 2022, arXiv 2211.09260).\n",
        "## Training data\n",
        _sets_table(sets),
        "## Scores\n",
        _scores(rows),
        "## Recipe\n",
        f"```json\n{json.dumps(_shown(recipe), indent=1)}\n```\n",
        "## Made with\n",
        _made_with(recipe),
    ]
    file = place / CARD
    file.write_text("\n".join(parts), encoding="utf-8")
    return file


def _sets_table(sets: Mapping[str, Mapping[str, Any]]) -> str:
    if not sets:
        return "The mixture's card names no sets.\n"
    lines = ["| set | licence | class | source |", "|---|---|---|---|"]
    for name, card in sorted(sets.items()):
        source = card.get("source") or card.get("source_repo") or card.get("attribution") or ""
        lines.append(f"| {name} | {card.get('licence', '')} | {card.get('licence_class', '')} | {source} |")
    return "\n".join(lines) + "\n\nThe texts belong to their authors under the licences named.\n"


def _scores(rows: Sequence[Mapping[str, Any]]) -> str:
    steps = [row for row in rows if "loss" in row]
    scored = [row for row in rows if "dev" in row]
    last = steps[-50:]
    lines = []
    if last:
        mean = sum(row["loss"] for row in last) / len(last)
        lines.append(f"Step {steps[-1]['step']:,}; mean loss of the last {len(last)} steps: {mean:.4f}.\n")
    if scored:
        lines += ["nDCG@10 by exact search over a part of each dev set, a glimpse and no evaluation:\n"]
        lines += [
            "| set | " + " | ".join(f"step {row['step']}" for row in (scored[0], scored[-1])) + " |",
            "|---|---|---|",
        ]
        for name in scored[-1]["dev"]:
            cells = (_cell(row["dev"].get(name, {})) for row in (scored[0], scored[-1]))
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines) or "None.\n"


def _cell(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{way} {value:.3f}" for way, value in scores.items())


def _made_with(recipe: Mapping[str, Any]) -> str:
    lines = [f"- seed {recipe['seed']}"]
    if commit := _commit():
        lines.append(f"- commit {commit}")
    for package in _PACKAGES:
        try:
            lines.append(f"- {package} {version(package)}")
        except PackageNotFoundError:
            continue
    lines.append(f"- Python {platform.python_version()}")
    return "\n".join(lines) + "\n"


def _commit() -> str:
    """The commit of this code, where it runs from a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _hub_name(base: str) -> str:
    """A name without the folders of the machine that trained."""
    return Path(base).name if Path(base).is_absolute() else base


def _shown(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {**recipe, "base": _hub_name(str(recipe["base"])), "mixture": Path(str(recipe.get("mixture", ""))).name}
