"""Contrast sets for evaluation: dataset folders whose queries come in groups that differ in the instruction alone.

Under one instruction of a group a document is relevant, under another it is an explicit zero; that is what p-MRR
(Weller et al. 2024, "FollowIR") is computed from. They hold what training never sees (`tart_train.hold_out`), and their
wordings are not those of training.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tart.documents import Document
from tart.normal import normalised
from tart_train.dataset import RetrievalSet
from tart_train.examples import DataError
from tart_train.groups import some
from tart_train.hold_out import ASPECT_FIELD, PACKAGES, HoldOut
from tart_train.instruction_table import InstructionTable
from tart_train.polarity import package_licence, package_pairs, package_query
from tart_train.sampled import text_key
from tart_train.wordings import HELD_OUT_SHAPES, UNITS

_ABSTRACT = ("the abstract with background, methods and results", "the study's summary before its conclusion")
_CONCLUSION = ("the conclusion of the study", "what the authors conclude, in a sentence or two")
_STANCES = {
    "1": ("a key point in favour of the motion", "a reason to agree", "an argument on the pro side"),
    "-1": ("a key point against the motion", "a reason to disagree", "an argument on the con side"),
}


class Side(NamedTuple):
    """One query of a group.

    Attributes:
        name: Tells it from the others.
        instruction: Of this query.
        documents: Relevant under it; those of the other sides are explicit zeros.
    """

    name: str
    instruction: str
    documents: Sequence[Document]


class ContrastGroup(NamedTuple):
    """Queries of one text."""

    name: str
    query: str
    sides: Sequence[Side]


@dataclass(frozen=True, slots=True)
class ContrastSet:
    """What is written as one dataset folder.

    Attributes:
        name: Of the folder and its card.
        groups: All of them.
        card: Intent, domain, unit, licence and notes.
    """

    name: str
    groups: Sequence[ContrastGroup]
    card: Mapping[str, str | None]


def contrast_sets(folders: Sequence[Path], limit: int, seed: int, hold_out: HoldOut) -> Iterator[ContrastSet]:
    """The contrast sets that can be made of some dataset folders and the installed packages.

    Raises:
        DataError: A set cannot be read.
    """
    sets = {dataset.name: dataset for dataset in map(RetrievalSet.open, folders)}
    for name, make in _MAKERS.items():
        needed = name.split("+")
        if all(each in sets for each in needed):
            yield from make([sets[each] for each in needed], limit, seed, hold_out)
    for package in sorted(PACKAGES):
        found = _package(package, limit, seed)
        if found is not None:
            yield found


def write_contrast_set(contrast: ContrastSet, out: Path) -> dict[str, int]:
    """Writes a dataset folder, whole or not at all.

    Returns:
        Counts of groups, queries, documents and judgments.

    Raises:
        DataError: The folder is there already.
    """
    place = out / contrast.name
    if place.exists():
        raise DataError(f"{place} exists already; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{contrast.name}.", dir=out))
    work.chmod(0o755)
    try:
        counts = _write(contrast, work)
        work.rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return counts


def _write(contrast: ContrastSet, folder: Path) -> dict[str, int]:
    documents: dict[str, Document] = {}
    queries, judged = [], ["query-id\tcorpus-id\tscore"]
    for group in contrast.groups:
        for side in group.sides:
            query_id = f"{contrast.name}-{group.name}-{side.name}".replace(" ", "_")
            queries.append({"_id": query_id, "text": group.query, "instruction": side.instruction, "group": group.name})
            own = {document.id for document in side.documents}
            for other in group.sides:
                for document in other.documents:
                    documents.setdefault(document.id, document)
            rest = dict.fromkeys(d.id for other in group.sides for d in other.documents if d.id not in own)
            judged += [f"{query_id}\t{one}\t1" for one in dict.fromkeys(d.id for d in side.documents)]
            judged += [f"{query_id}\t{one}\t0" for one in rest]
    rows = [{"_id": d.id, "title": d.title, "text": d.text, "metadata": dict(d.metadata)} for d in documents.values()]
    _lines(folder / "corpus.jsonl.gz", [json.dumps(row, ensure_ascii=False) for row in rows])
    _lines(folder / "queries.jsonl.gz", [json.dumps(row, ensure_ascii=False) for row in queries])
    _lines(folder / "qrels.tsv.gz", judged)
    counts = {
        "n_groups": len(contrast.groups),
        "n_queries": len(queries),
        "n_docs": len(documents),
        "n_qrels": len(judged) - 1,
    }
    card = {"name": contrast.name, "facet_field": None, **contrast.card, **counts}
    (folder / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return counts


def _lines(file: Path, lines: Sequence[str]) -> None:
    """A gzip file without time stamp: the same input gives the same bytes."""
    with file.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as stream:
        stream.write("".join(line + "\n" for line in lines).encode())


def _group(name: str, query: str, sides: Sequence[Side]) -> ContrastGroup | None:
    """A group whose sides share no text; none where fewer than two remain."""
    keys = [{text_key(document.text): document for document in side.documents} for side in sides]
    kept = []
    for number, side in enumerate(sides):
        others = {key for place, each in enumerate(keys) if place != number for key in each}
        documents = [document for key, document in keys[number].items() if key not in others]
        if documents:
            kept.append(side._replace(documents=documents))
    return ContrastGroup(name, query, kept) if len(kept) > 1 else None


def _chance(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed}:contrast:{name}")  # noqa: S311 (a sample, no secret)


def _asked(wanted: Sequence[str], chance: random.Random) -> str:
    """An instruction in a wording of evaluation."""
    text = chance.choice(HELD_OUT_SHAPES).format(wanted=chance.choice(wanted))
    return text[:1].upper() + text[1:]


def _card(dataset: RetrievalSet, intent: str, notes: str) -> dict[str, str | None]:
    card = dataset.card
    return {
        "intent": intent,
        "domain": card.domain,
        "unit": card.unit,
        "query_unit": "topic",
        "licence": card.licence,
        "licence_class": card.licence_class,
        "notes": notes,
    }


def _facets(sets: Sequence[RetrievalSet], limit: int, seed: int, hold_out: HoldOut) -> Iterator[ContrastSet]:
    """Health topics: aspects that are held out, and topics that are."""
    dataset = sets[0]
    wordings = InstructionTable.packaged().for_card(dataset.card)
    documents = {document.id: document for document in dataset.documents()}
    qrels = dataset.qrels()
    topics: dict[str, dict[str, list[Document]]] = defaultdict(lambda: defaultdict(list))
    held_out: dict[str, bool] = {}
    for query in dataset.queries():
        aspect = str(query.metadata.get(ASPECT_FIELD))
        right = [documents[one] for one, grade in qrels.get(query.id, {}).items() if grade > 0]
        topics[query.text][aspect] += right
        held_out[query.text] = held_out.get(query.text, False) or hold_out.topic(query.metadata)
    cases: tuple[tuple[str, str, Callable[[str, Sequence[str]], Sequence[str]]], ...] = (
        (
            "facets_new_aspects",
            "aspects that no training row asks for, beside others of the same topic",
            lambda topic, aspects: aspects if not held_out[topic] and hold_out.aspects & set(aspects) else (),
        ),
        (
            "facets_new_topics",
            "topics that no training row is about; aspects that are trained",
            lambda topic, aspects: (
                [aspect for aspect in aspects if aspect not in hold_out.aspects] if held_out[topic] else ()
            ),
        ),
    )
    for name, notes, choose in cases:
        chance = _chance(seed, name)
        made = []
        for number, (topic, aspects) in enumerate(topics.items()):
            chosen = [aspect for aspect in choose(topic, list(aspects)) if aspect in wordings.facets]
            sides = [
                Side(normalised(aspect), chance.choice(wordings.wordings("held_out", aspect)), aspects[aspect])
                for aspect in chosen
            ]
            made.append(_group(str(number), topic, sides))
        groups = some([group for group in made if group is not None], limit, chance)
        yield ContrastSet(name, groups, _card(dataset, "find the wanted aspect of a health topic", notes))


def _debate(sets: Sequence[RetrievalSet], limit: int, seed: int, _: HoldOut) -> Iterator[ContrastSet]:
    """Arguments for and against a claim; queries of one text differ in the stance."""
    dataset = sets[0]
    wordings = InstructionTable.packaged().for_card(dataset.card)
    documents = {document.id: document for document in dataset.documents()}
    qrels, chance = dataset.qrels(), _chance(seed, dataset.name)
    claims: dict[str, list[Side]] = defaultdict(list)
    for query in dataset.queries():
        stance = str(query.metadata.get("stance"))
        right = [documents[one] for one, grade in qrels.get(query.id, {}).items() if grade > 0]
        claims[query.text].append(Side(stance, chance.choice(wordings.wordings("held_out", stance)), right))
    made = [_group(str(number), claim, sides) for number, (claim, sides) in enumerate(claims.items())]
    groups = some([group for group in made if group is not None], limit, chance)
    card = _card(dataset, "find arguments with the wanted stance", "stances are in no training row")
    yield ContrastSet("stance_debate", groups, card)


def _key_points(sets: Sequence[RetrievalSet], limit: int, seed: int, _: HoldOut) -> Iterator[ContrastSet]:
    """Key points for and against a motion."""
    dataset, chance = sets[0], _chance(seed, sets[0].name)
    motions: dict[str, dict[str, list[Document]]] = defaultdict(lambda: defaultdict(list))
    for document in dataset.documents():
        topic, stance = document.metadata.get("topic"), str(document.metadata.get("stance"))
        if isinstance(topic, str) and stance in _STANCES:
            motions[topic][stance].append(document)
    made = []
    for number, (topic, stances) in enumerate(motions.items()):
        sides = [
            Side("pro" if stance == "1" else "con", _asked(_STANCES[stance], chance), found)
            for stance, found in stances.items()
        ]
        made.append(_group(str(number), topic, sides))
    groups = some([group for group in made if group is not None], limit, chance)
    card = _card(dataset, "find key points with the wanted stance", "stances are in no training row")
    yield ContrastSet("stance_key_points", groups, card)


def _studies(sets: Sequence[RetrievalSet], limit: int, seed: int, _: HoldOut) -> Iterator[ContrastSet]:
    """A research question: the abstract without its conclusion, or the conclusion."""
    chance = _chance(seed, "studies")
    found: list[dict[str, list[Document]]] = []
    for dataset in sets:
        documents = {document.id: document for document in dataset.documents()}
        qrels = dataset.qrels()
        answers: dict[str, list[Document]] = defaultdict(list)
        for query in dataset.queries():
            answers[query.text] += [documents[one] for one, grade in qrels.get(query.id, {}).items() if grade > 0]
        found.append(answers)
    abstracts, conclusions = found
    made = [
        _group(
            str(number),
            question,
            [
                Side("abstract", _asked(_ABSTRACT, chance), abstracts[question]),
                Side("conclusion", _asked(_CONCLUSION, chance), conclusions[question]),
            ],
        )
        for number, question in enumerate(each for each in abstracts if each in conclusions)
    ]
    groups = some([group for group in made if group is not None], limit, chance)
    card = _card(sets[0], "find the wanted part of a study", "the two units are never contrasted in training")
    yield ContrastSet("units_studies", groups, {**card, "query_unit": "research question"})


def _package(package: str, limit: int, seed: int) -> ContrastSet | None:
    """Code and documentation of a package that is kept for evaluation; None where it is not installed."""
    try:
        licence = package_licence(package)
        pairs = list(package_pairs(package))
    except DataError:
        return None
    chance = _chance(seed, package)
    made = []
    for number, (code, documentation) in enumerate(pairs):
        query = package_query(code, documentation, chance)
        sides = [
            Side("code", _asked(UNITS["code"], chance), [code]),
            Side("documentation", _asked(UNITS["documentation"], chance), [documentation]),
        ]
        made.append(_group(str(number), query, sides) if query else None)
    groups = some([group for group in made if group is not None], limit, chance)
    card: dict[str, str | None] = {
        "intent": "find the code or the documentation of a function",
        "domain": "Python programming",
        "unit": "code or documentation",
        "query_unit": "function name or docstring sentence",
        "licence": licence,
        "licence_class": "open",
        "notes": f"definitions of the package {package}, of which no training row is made",
    }
    return ContrastSet(f"code_{package}", groups, card)


_MAKERS: Mapping[str, Callable[[Sequence[RetrievalSet], int, int, HoldOut], Iterator[ContrastSet]]] = {
    "medquad_facets": _facets,
    "debate_stance": _debate,
    "argkp": _key_points,
    "pubmedqa_abstract+pubmedqa_conclusion": _studies,
}
