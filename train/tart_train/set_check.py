"""One pass over a data set that finds everything wrong with it, and measures it on the way."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tart.documents import Document
from tart.errors import SourceError
from tart.normal import text_key
from tart.readers.fields import documents_from_rows
from tart.readers.json_lines import json_line_rows
from tart.readers.options import FieldMap
from tart.readers.rows import BadRow, shown_value
from tart_train.dataset import Query, RetrievalSet, query_of
from tart_train.examples import DataError
from tart_train.faults import Faults
from tart_train.instruction_table import InstructionTable, SetInstructions
from tart_train.qrels import judgments


class Lengths(NamedTuple):
    """How long texts are, in words; or how many positives queries have."""

    mean: float = 0.0
    median: int = 0
    longest: int = 0

    @classmethod
    def of(cls, counts: array[int]) -> Lengths:
        """The summary of some counts."""
        if not counts:
            return cls()
        ordered = sorted(counts)
        return cls(round(sum(ordered) / len(ordered), 2), ordered[len(ordered) // 2], ordered[-1])


@dataclass(frozen=True, slots=True)
class SetStatistics:
    """What a data set is made of.

    Attributes:
        judged_not_relevant: Judgments with a grade of 0 or below.
        documents_judged: Documents with any judgment; the others are distractors.
        duplicate_documents: Documents whose text, letters and digits only, an earlier one has.
        duplicate_queries: The same of queries, those of one group counted once.
        queries_with_instruction: Queries with an instruction of their own.
        queries_without_instruction: Queries to which no wording applies at all.
    """

    documents: int
    queries: int
    judgments: int
    judged_not_relevant: int
    documents_judged: int
    document_words: Lengths
    query_words: Lengths
    positives: Lengths
    duplicate_documents: int
    duplicate_queries: int
    groups: int
    queries_with_instruction: int
    queries_without_instruction: int
    train_wordings: int
    held_out_wordings: int

    def as_json(self) -> dict[str, Any]:
        """As `json.dumps` takes it."""
        values = asdict(self)
        return {name: value._asdict() if isinstance(value, Lengths) else value for name, value in values.items()}


class Watcher(NamedTuple):
    """Who else looks at the texts while they pass: where they stand, and what they are."""

    document: Callable[[Path, int, Document], None]
    query: Callable[[Path, int, Query], None]


def check_set(
    data: RetrievalSet,
    faults: Faults,
    table: InstructionTable | None = None,
    watcher: Watcher | None = None,
    passed: Callable[[], None] = lambda: None,
) -> SetStatistics:
    """Reads a data set once from end to end.

    Args:
        data: The set.
        faults: Filled with what is wrong.
        table: Where its instructions are; by default the packaged ones.
        watcher: Called with every good document and query.
        passed: Called after every row.
    """
    check = _Check(data, faults, _instructions(data, table or InstructionTable.packaged()), watcher, passed)
    for reading, file in (
        (check.documents, data.document_file),
        (check.queries, data.query_file),
        (check.qrels, data.qrels_file),
    ):
        try:
            reading()
        except SourceError as error:
            faults.add(file, 0, "unreadable file", _without_path(str(error), file))
    return check.statistics()


def _instructions(data: RetrievalSet, table: InstructionTable) -> SetInstructions:
    """The instructions of a set; none where the table knows none."""
    if data.name in table or data.card.instructions or data.card.held_out_instructions:
        return table.for_card(data.card)
    return SetInstructions(data.name)


def _without_path(message: str, file: Path) -> str:
    """A message of the readers without the file that it begins with."""
    return message.removeprefix(f"{file}: ")


class _Check:
    """The state of one pass."""

    def __init__(
        self,
        data: RetrievalSet,
        faults: Faults,
        instructions: SetInstructions,
        watcher: Watcher | None,
        passed: Callable[[], None],
    ) -> None:
        self._data, self._faults, self._instructions, self._watcher = data, faults, instructions, watcher
        self._passed = passed
        self._documents: dict[str, int] = {}
        self._queries: dict[str, int] = {}
        self._document_words, self._query_words = array("I"), array("I")
        self._document_texts: Counter[bytes] = Counter()
        self._query_texts: set[tuple[bytes, str]] = set()
        self._query_keys: Counter[bytes] = Counter()
        self._groups: dict[str, tuple[str, set[str | None]]] = {}
        self._own = self._bare = 0
        self._positives: Counter[str] = Counter()
        self._judged: set[str] = set()
        self._rows = self._zeros = 0

    def documents(self) -> None:
        """Looks at every document."""
        file = self._data.document_file
        for item in documents_from_rows(json_line_rows(file, "utf-8"), FieldMap()):
            self._passed()
            if isinstance(item, BadRow):
                self._faults.add(item.path, item.line, item.reason, item.problem)
                continue
            document = item.document
            if not self._is_new(self._documents, document.id, file, item.line):
                continue
            self._document_words.append(len(document.text.split()))
            self._document_texts[text_key(document.text)] += 1
            if self._watcher:
                self._watcher.document(file, item.line, document)

    def queries(self) -> None:
        """Looks at every query."""
        file = self._data.query_file
        for line, query in self._good_queries(file):
            if not self._is_new(self._queries, query.id, file, line):
                continue
            self._query_words.append(len(query.text.split()))
            key = text_key(query.text)
            if not query.group or (key, query.group) not in self._query_texts:
                self._query_keys[key] += 1
            self._query_texts.add((key, query.group))
            self._look_at_group(file, line, query)
            self._look_at_instruction(file, line, query)
            if self._watcher:
                self._watcher.query(file, line, query)

    def qrels(self) -> None:
        """Looks at every judgment; then for queries that nothing answers."""
        file = self._data.qrels_file
        seen: set[tuple[str, str]] = set()
        for row in judgments(file, self._faults):
            self._passed()
            self._rows += 1
            self._zeros += row.grade <= 0
            if row.query_id not in self._queries:
                problem = f"there is no query {row.query_id!r} in {self._data.query_file.name}; add it or drop the row"
                self._faults.add(file, row.line, "unknown query", problem)
            if row.document_id not in self._documents:
                name = self._data.document_file.name
                problem = f"there is no document {row.document_id!r} in {name}; add it or drop the row"
                self._faults.add(file, row.line, "unknown document", problem)
            elif row.grade > 0:
                self._positives[row.query_id] += (row.query_id, row.document_id) not in seen
            if (row.query_id, row.document_id) in seen:
                problem = f"query {row.query_id!r} and document {row.document_id!r} stand twice; keep one row"
                self._faults.add(file, row.line, "duplicate pair", problem)
            seen.add((row.query_id, row.document_id))
            self._judged.add(row.document_id)
        self._look_for_unanswered()

    def statistics(self) -> SetStatistics:
        """What was counted."""
        return SetStatistics(
            documents=len(self._documents),
            queries=len(self._queries),
            judgments=self._rows,
            judged_not_relevant=self._zeros,
            documents_judged=len(self._judged & self._documents.keys()),
            document_words=Lengths.of(self._document_words),
            query_words=Lengths.of(self._query_words),
            positives=Lengths.of(array("I", (self._positives[query_id] for query_id in self._queries))),
            duplicate_documents=self._document_texts.total() - len(self._document_texts),
            duplicate_queries=self._query_keys.total() - len(self._query_keys),
            groups=len(self._groups),
            queries_with_instruction=self._own,
            queries_without_instruction=self._bare,
            train_wordings=len(self._instructions.train),
            held_out_wordings=len(self._instructions.held_out),
        )

    def _good_queries(self, file: Path) -> Iterator[tuple[int, Query]]:
        for row in json_line_rows(file, "utf-8"):
            self._passed()
            if isinstance(row, BadRow):
                self._faults.add(row.path, row.line, row.reason, row.problem)
                continue
            try:
                query = query_of(row)
            except DataError as error:
                self._faults.add(file, row.line, _kind(row.values), str(error))
                continue
            yield row.line, query

    def _is_new(self, seen: dict[str, int], wanted: str, file: Path, line: int) -> bool:
        """Notes an id; a second one is a fault."""
        if wanted in seen:
            problem = f"the id {wanted!r} stands on line {seen[wanted]} already; give every row one of its own"
            self._faults.add(file, line, "duplicate id", problem)
            return False
        seen[wanted] = line
        return True

    def _look_at_group(self, file: Path, line: int, query: Query) -> None:
        """Queries of a group share their text and differ in their instruction."""
        if not query.group:
            return
        text, instructions = self._groups.setdefault(query.group, (query.text, set()))
        if query.text != text:
            problem = f"another text than the first query of group {query.group!r}; queries of a group share theirs"
            self._faults.add(file, line, "group of two texts", problem)
        elif query.instruction in instructions:
            problem = f"the instruction {shown_value(query.instruction)} stands twice in group {query.group!r}"
            self._faults.add(file, line, "repeated instruction", problem + "; queries of a group differ in it")
        instructions.add(query.instruction)

    def _look_at_instruction(self, file: Path, line: int, query: Query) -> None:
        """Counts queries by where their instruction comes from; a facet that no wording knows is a fault."""
        if query.instruction is not None:
            self._own += 1
            return
        known = self._instructions
        if not (known.train or known.held_out):
            self._bare += 1
            return
        try:
            known.for_query(query, self._data.card, "held_out")
        except DataError as error:
            self._faults.add(file, line, "unknown facet", str(error))

    def _look_for_unanswered(self) -> None:
        for query_id, line in self._queries.items():
            if not self._positives[query_id]:
                problem = f"query {query_id!r} has no relevant document; judge one with grade 1 or drop the query"
                self._faults.add(self._data.query_file, line, "unanswered query", problem)


def _kind(values: Mapping[str, object]) -> str:
    """What sort of fault a bad row of queries has."""
    text = values.get("text")
    if isinstance(text, str) and not text.strip():
        return "blank text"
    if isinstance(values.get("instruction"), str):
        return "bad instruction"
    return "bad query"
