"""The chosen rows as trainers want them: a prompt and its completion, or messages.

`selected.jsonl` keeps every row as the pool has it; `sft.jsonl` has the columns that TRL's SFTTrainer and Axolotl read,
whatever layout the pool has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tart_index.selection.chosen import Selection
from tart_index.selection.examples import Example
from tart_index.selection.layouts import CONVERSATIONS, MESSAGES

SFT = "sft.jsonl"
_ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant"}


def training_row(example: Example) -> dict[str, Any] | None:
    """A row with `messages` where it is a conversation, else with `prompt` and `completion`; None without an answer."""
    if example.target is None:
        return None
    for name in (MESSAGES, CONVERSATIONS):
        turns = example.values.get(name)
        if isinstance(turns, list):
            return {"messages": [_message(turn) for turn in turns]}
    return {"prompt": example.input, "completion": example.target}


def _message(turn: Mapping[str, Any]) -> dict[str, str]:
    """A turn in OpenAI's names."""
    role = str(turn.get("role", turn.get("from", "user"))).lower()
    said = turn.get("content", turn.get("value")) or ""
    if not isinstance(said, str):
        parts = [part.get("text") for part in said if isinstance(part, Mapping) and part.get("type") == "text"]
        said = "\n".join(part for part in parts if isinstance(part, str))
    return {"role": _ROLES.get(role, role), "content": said}


def write_training_rows(folder: Path, selection: Selection, row: Callable[[int], Example]) -> int:
    """Writes `sft.jsonl`, best row first; rows without an answer cannot be trained on and are left out.

    Args:
        folder: Where `selected.jsonl` is.
        selection: What was chosen.
        row: A pool row's example, by number.

    Returns:
        Rows written. Where there are none, there is no file.
    """

    def rows() -> Iterator[dict[str, Any]]:
        for one in selection.chosen:
            found = training_row(row(one.row))
            if found is not None:
                yield found

    written = 0
    file = folder / SFT
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for found in rows():
            stream.write(json.dumps(found, ensure_ascii=False) + "\n")
            written += 1
    if not written:
        file.unlink()
    return written
