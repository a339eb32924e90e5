"""An index that changes in every way there is, and a dictionary of what it should hold."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray

from tart import Document, Encoder
from tart.errors import SourceError
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, SearchRequest, build_index
from tart_index.ann import search as ann_search
from tart_index.ann.choose import Wanted
from tart_index.ann.structures import make_structure
from tart_index.changes import add_documents, compact, delete_documents
from tart_index.filters import AllOf, AnyOf, Comparison, Filter, Not
from tart_index.manifest import Manifest
from tart_index.merging import merge_small_parts
from tart_index.versions import restore, verify_kept, versions
from tests.index.counting import counting_encoder

KEEP = 3
FIRST = 110
# At every so many versions the kept ones before are compared too.
_OLDER_LOOKED_AT = 4
TEXTS = [
    "merge",
    "sort a list",
    "read bytes",
    "parse dates",
    "open sockets",
    "hash the text",
    "merge a list",
    "send it",
]
# One inverted list is searched whole: its answers are exact. A graph's are those of the vectors, but may miss some.
EXACT_STRUCTURE, GRAPH = "IVF1,Flat", "HNSW4,Flat"

_FILTERS: list[tuple[Filter | None, Callable[[Mapping[str, Any]], bool]]] = [
    (None, lambda m: True),
    (Comparison("gte", "n", 1), lambda m: m["n"] >= 1),
    (Comparison("eq", "n", 2), lambda m: m["n"] == 2),
    (Comparison("ne", "tag", "a"), lambda m: "a" not in m.get("tag", [])),
    (Comparison("in", "tag", ("a", "b")), lambda m: bool({"a", "b"} & set(m.get("tag", [])))),
    (Not(Comparison("lt", "n", 1)), lambda m: m["n"] >= 1),
    (
        AllOf((Comparison("eq", "tag", "b"), AnyOf((Comparison("eq", "n", 0), Comparison("eq", "n", 2))))),
        lambda m: "b" in m.get("tag", []) and m["n"] in (0, 2),
    ),
    (Comparison("eq", "absent", 1), lambda m: False),
]


def corpus_of(documents: Sequence[Document]) -> Corpus:
    return Corpus.from_documents("documents", lambda: iter(documents))


class ChangingIndex(RuleBasedStateMachine):
    """Runs as a test; `done` counts its steps and `found` what searches of the graph found of the true neighbours."""

    done: ClassVar[Counter[str]] = Counter()
    found: ClassVar[Counter[str]] = Counter()
    encoder: ClassVar[Encoder | None] = None

    @initialize()
    def build(self) -> None:
        ChangingIndex.encoder = self.coder = ChangingIndex.encoder or counting_encoder()
        # Threads that wait for one another would take most of the time of so small searches.
        self.coder.hardware = replace(self.coder.hardware, threads=1)
        self.patched = pytest.MonkeyPatch()
        self.patched.setattr(ann_search, "_EXACT_NUMBERS", 0)
        real = ann_search.ApproximateSearch._best

        def counted(*arguments: Any) -> Any:
            self.done["searches of a structure"] += 1
            return real(*arguments)

        self.patched.setattr(ann_search.ApproximateSearch, "_best", counted)
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "i"
        first = [
            Document(str(n), TEXTS[n % 8] + " and more" * (n % 5), "", {"n": n % 3, "tag": ["a"]}) for n in range(FIRST)
        ]
        self.model = {document.id: document for document in first}
        self.kept: dict[int, dict[str, Document]] = {}
        self._published(build_index(corpus_of(first), self.path, self.coder, self._options()).manifest)
        self.tune(EXACT_STRUCTURE, 0.9)

    def teardown(self) -> None:
        self.patched.undo()
        self.folder.cleanup()

    documents = st.lists(
        st.builds(
            Document,
            st.integers(0, FIRST + 20).map(str),
            st.sampled_from(TEXTS),
            metadata=st.fixed_dictionaries(
                {"n": st.integers(0, 2)},
                optional={"tag": st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True)},
            ),
        ),
        max_size=12,
        unique_by=lambda document: document.id,
    )

    @rule(new=documents)
    def upsert(self, new: list[Document]) -> None:
        self.done["upsert"] += 1
        result = add_documents(self.path, corpus_of(new), self.coder, "replace", part_size=3, keep=KEEP)
        assert result.added == sum(document.id not in self.model for document in new)
        assert result.unchanged == sum(self.model.get(document.id) == document for document in new)
        for document in new:
            if self.model.get(document.id) != document:
                self.model.pop(document.id, None)
                self.model[document.id] = document
        self._published(result.manifest)

    @rule(new=documents)
    def add(self, new: list[Document]) -> None:
        self.done["add"] += 1
        self._published(
            add_documents(self.path, corpus_of(new), self.coder, "skip", part_size=4, keep=KEEP).manifest, new
        )

    @rule(new=documents)
    def add_or_be_refused(self, new: list[Document]) -> None:
        self.done["add"] += 1
        if any(self.model.get(document.id, document) != document for document in new):
            with pytest.raises(SourceError, match="already, with another content"):
                add_documents(self.path, corpus_of(new), self.coder, keep=KEEP)
        else:
            self._published(add_documents(self.path, corpus_of(new), self.coder, keep=KEEP).manifest, new)

    @rule(gone=st.lists(st.integers(0, FIRST + 25).map(str), max_size=8))
    def delete(self, gone: list[str]) -> None:
        self.done["delete"] += 1
        result = delete_documents(self.path, gone, keep=KEEP)
        assert (result.deleted, result.not_found) == (
            len(set(gone) & set(self.model)),
            len(set(gone) - set(self.model)),
        )
        for document_id in gone:
            self.model.pop(document_id, None)
        self._published(result.manifest)

    @rule(part_size=st.integers(8, 40))
    def compact(self, part_size: int) -> None:
        self.done["compact"] += 1
        self._published(compact(self.path, part_size=part_size, keep=KEEP).manifest)

    @rule(part_size=st.integers(2, 6))
    def merge(self, part_size: int) -> None:
        self.done["merge"] += 1
        self._published(merge_small_parts(self.path, part_size=part_size, most=2, keep=KEEP).manifest)

    @rule(new=documents.filter(bool), turned=st.booleans())
    def rebuild(self, new: list[Document], turned: bool) -> None:
        self.done["rebuild"] += 1
        whole = list({**self.model, **{document.id: document for document in new}}.values())[:: -1 if turned else 1]
        self.model = {document.id: document for document in whole}
        self._published(build_index(corpus_of(whole), self.path, self.coder, self._options()).manifest)

    @rule(
        factory=st.sampled_from([EXACT_STRUCTURE, EXACT_STRUCTURE, GRAPH, "exact"]), recall=st.sampled_from([0.5, 0.9])
    )
    def tune(self, factory: str, recall: float) -> None:
        self.done["tune"] += 1
        wanted = Wanted(recall=recall, factory=factory, queries=20, threads=1)
        self._published(make_structure(self.path, wanted, keep=KEEP).manifest)

    @rule(back=st.integers(0, KEEP - 1))
    def restore(self, back: int) -> None:
        self.done["restore"] += 1
        number = versions(self.path)[-1 - back % len(versions(self.path))].version
        self.model = dict(self.kept[number])
        self._published(restore(self.path, number, keep=KEEP))

    @rule(
        query=st.sampled_from(TEXTS),
        k=st.one_of(st.integers(1, 8), st.integers(1, 150)),
        narrowed=st.sampled_from(_FILTERS),
        exact=st.booleans(),
    )
    def search(self, query: str, k: int, narrowed: Any, exact: bool) -> None:
        wanted, holds = narrowed
        self.done["search" if wanted is None else "search with a filter"] += 1
        folder = IndexFolder.open(self.path)
        request = SearchRequest(query, "", top_k=k, filter=wanted, exact=exact)
        hits = Searcher(folder, self.coder).search([request])[0].hits
        scores = self._scores(query, holds)
        assert len(hits) == len({hit.document.id for hit in hits}) == min(k, len(scores))
        for hit in hits:
            assert self.model[hit.document.id] == hit.document
            assert hit.score == pytest.approx(scores[hit.document.id], abs=1e-6)
        best = sorted(scores.values(), reverse=True)[:k]
        structure = folder.manifest.structure
        if exact or structure is None or structure.factory != GRAPH:
            assert [hit.score for hit in hits] == pytest.approx(best, abs=1e-6)
        elif best:
            self.found["wanted"] += len(best)
            self.found["found"] += sum(hit.score >= best[-1] - 1e-6 for hit in hits)

    @invariant()
    def holds_what_it_should(self) -> None:
        if not hasattr(self, "path"):
            return
        folder = IndexFolder.open(self.path)
        assert len(folder) == len(self.model)
        assert all((folder.find(document_id) is None) == (document_id not in self.model) for document_id in ("0", "7"))

    def _published(self, manifest: Manifest, added: Sequence[Document] = ()) -> None:
        """A change is done: everything is read and compared, now and then the versions before too."""
        self.model = {**self.model, **{d.id: d for d in added if d.id not in self.model}}
        self.kept[manifest.version] = dict(self.model)
        folder = IndexFolder.open(self.path)
        assert folder.manifest == manifest
        assert sum(part.count for part in folder.verify()) == manifest.rows
        assert list(folder.documents()) == list(self.model.values())
        held = [folder.vector(row) for row in folder.rows()]
        assert not held or np.array_equal(np.stack(held), self._vectors())
        if manifest.version % _OLDER_LOOKED_AT:
            return
        verify_kept(folder)
        for older in versions(self.path):
            assert list(IndexFolder(self.path, older).documents()) == list(self.kept[older.version].values())

    def _vectors(self) -> NDArray[np.float32]:
        return self.coder.encode_documents(list(self.model.values()))

    def _scores(self, query: str, holds: Callable[[Mapping[str, Any]], bool]) -> dict[str, float]:
        """Of every document that a filter lets pass, by brute force."""
        if not self.model:
            return {}
        scores = self._vectors() @ self.coder.encode_queries([query], [""])[0]
        pairs = zip(self.model.values(), scores.tolist(), strict=True)
        return {document.id: score for document, score in pairs if holds(document.metadata)}

    @staticmethod
    def _options() -> BuildOptions:
        return BuildOptions(part_size=24, keep=KEEP)
