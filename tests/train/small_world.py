"""Judged sets of a few documents, written to disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Grades = Mapping[str, Mapping[str, int]]


def write_set(
    folder: Path,
    documents: Mapping[str, str],
    queries: Mapping[str, str | Mapping[str, Any]],
    grades: Grades,
    **card: Any,
) -> Path:
    """Writes a dataset folder; a query is its text or its whole row."""
    folder.mkdir(parents=True)
    rows: list[Mapping[str, Any]] = [{"_id": one, "title": "", "text": text} for one, text in documents.items()]
    _lines(folder / "corpus.jsonl", rows)
    asked = [{"text": row} if isinstance(row, str) else row for row in queries.values()]
    _lines(folder / "queries.jsonl", [{"_id": one, **row} for one, row in zip(queries, asked, strict=True)])
    qrels = [f"{query}\t{one}\t{grade}\n" for query, judged in grades.items() for one, grade in judged.items()]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(qrels))
    (folder / "card.json").write_text(json.dumps({"name": folder.name, **card}))
    return folder


def fruit(root: Path, name: str = "fruit", **card: Any) -> Path:
    """Five fruit and three questions."""
    words = {
        "apple": "red apple grows on a tree",
        "pear": "green pear grows on a tree",
        "plum": "blue plum in the garden",
        "melon": "large melon on the field",
        "twin": "green pear grows on a tree",
    }
    questions = {"q1": "which apple is red", "q2": "green pear", "q3": "melon on a field"}
    grades = {"q1": {"apple": 1}, "q2": {"pear": 1, "twin": 2, "plum": 0}, "q3": {"melon": 1}}
    given: dict[str, Any] = {"intent": "name the fruit", "unit": "fruit", "held_out_instructions": wordings("fruit")}
    return write_set(
        root / name,
        {f"{name}-{one}": text for one, text in words.items()},
        {f"{name}-{one}": text for one, text in questions.items()},
        {f"{name}-{q}": {f"{name}-{d}": grade for d, grade in judged.items()} for q, judged in grades.items()},
        **(given | card),
    )


def tools(root: Path, name: str = "tools", **card: Any) -> Path:
    """Three tools, one of which reads like a fruit."""
    words = {"saw": "saw for a tree", "pen": "red pen", "axe": "axe cuts the green pear tree"}
    questions = {"q1": "what cuts a tree", "q2": "red pen"}
    given: dict[str, Any] = {"intent": "mend things", "unit": "tool", "held_out_instructions": wordings("tool")}
    return write_set(
        root / name,
        {f"{name}-{one}": text for one, text in words.items()},
        {f"{name}-{one}": text for one, text in questions.items()},
        {f"{name}-q1": {f"{name}-saw": 1, f"{name}-axe": 1}, f"{name}-q2": {f"{name}-pen": 1}},
        **(given | card),
    )


def colours(root: Path, name: str = "colours", **card: Any) -> Path:
    """A contrast set: the same query asks for red or for green things; two groups."""
    words = {"r1": "red apple", "g1": "green apple", "r2": "red plum", "g2": "green plum", "x": "melon"}
    queries = {
        f"{fruit}-{colour}": {"text": fruit, "instruction": f"find a {colour} one", "group": fruit}
        for fruit in ("apple", "plum")
        for colour in ("red", "green")
    }
    grades = {
        "apple-red": {"r1": 1, "g1": 0},
        "apple-green": {"g1": 1, "r1": 0},
        "plum-red": {"r2": 1, "g2": 0},
        "plum-green": {"g2": 1, "r2": 0},
    }
    return write_set(root / name, words, queries, grades, **card)


def wordings(noun: str, count: int = 4) -> list[str]:
    """Different words for one instruction."""
    starts = ["find the", "which", "show me a", "search for every", "I need one"]
    return [f"{start} {noun}" for start in starts[:count]]


def _lines(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
