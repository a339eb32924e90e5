"""A batch in its lane: every distinct text encoded once, every index searched once."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tart.errors import QueryError
from tart.tokens import Tokens
from tart_index.searcher import PreparedRequest, SearchResult, Timing
from tart_serve.batch_search import BatchAnswer
from tart_serve.jobs import CallJob, EmbedJob, Job, SearchJob
from tart_serve.observer import Observer, Stage
from tart_serve.vector_cache import VectorCache

_Vectors: TypeAlias = NDArray[np.float32]


@dataclass(slots=True)
class BatchReport:
    """What came of a batch.

    Attributes:
        started: When its turn came, on the clock of `time.perf_counter`.
        outcomes: Of each job, in their order: what it asked for, or the error that it alone has to bear.
        tokens: That the model read, or was said to read.
        seconds: Of each stage that there was.
        hits: Texts whose vectors were known.
        misses: Texts that were embedded.
    """

    started: float
    outcomes: list[Any] = field(default_factory=list)
    tokens: int = 0
    seconds: dict[Stage, float] = field(default_factory=dict)
    hits: int = 0
    misses: int = 0

    def took(self, stage: Stage, seconds: float) -> None:
        """Counts time for a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def run_batch(jobs: Sequence[Job], cache: VectorCache) -> BatchReport:
    """Does the work of a batch; whatever fails, its own caller bears it alone."""
    report = BatchReport(time.perf_counter())
    shares = [_share(job, report) for job in jobs]
    good = [share for share in shares if isinstance(share, _Share)]
    try:
        _answer(good, cache, report)
    except Exception:  # noqa: BLE001 (one of them failed: each alone then, so that nobody bears another's error)
        for share in good:
            _answer_alone(share, cache, report)
    report.outcomes = [share.outcome if isinstance(share, _Share) else share for share in shares]
    return report


def observe(observer: Observer, waits: Sequence[float], report: BatchReport) -> None:
    """Tells an observer of a batch.

    Args:
        observer: Whoever measures.
        waits: Seconds that each caller waited.
        report: What came of the batch.
    """
    observer.batch(len(waits), report.tokens)
    for seconds in waits:
        observer.stage("queue", seconds)
    for stage, seconds in report.seconds.items():
        observer.stage(stage, seconds)
    observer.cache("vectors", report.hits, report.misses)


@dataclass(slots=True)
class _Share:
    """One job's part of a batch, growing stage by stage."""

    job: Job
    texts: list[Tokens] = field(default_factory=list)
    prepared: list[PreparedRequest | QueryError] = field(default_factory=list)
    tokenized: float = 0.0
    vectors: _Vectors = field(default_factory=lambda: np.empty((0, 0), np.float32))
    encoded: float = 0.0
    outcome: Any = None


def _share(job: Job, report: BatchReport) -> _Share | Exception:
    """A job with its texts tokenised, or why they cannot be."""
    if isinstance(job, CallJob):
        return _Share(job)
    try:
        made, seconds = job.prepared.result()
    except Exception as error:  # noqa: BLE001 (whatever it is, its caller gets it)
        return error
    report.took("tokenize", seconds)
    if isinstance(made, Tokens):
        return _Share(job, texts=[made], tokenized=seconds)
    texts = [one.tokens for one in made if isinstance(one, PreparedRequest)]
    return _Share(job, texts=texts, prepared=made, tokenized=seconds)


def _answer(shares: Sequence[_Share], cache: VectorCache, report: BatchReport) -> None:
    for share in shares:
        if isinstance(share.job, CallJob):
            share.outcome = share.job.work()
            report.tokens += share.job.tokens
    _embed([share for share in shares if share.texts], cache, report)
    groups: dict[object, list[_Share]] = defaultdict(list)
    for share in shares:
        if isinstance(share.job, EmbedJob):
            share.outcome = (share.vectors, share.texts[0])
        elif isinstance(share.job, SearchJob):
            groups[share.job.group].append(share)
    for group in groups.values():
        _search(group, report)


def _answer_alone(share: _Share, cache: VectorCache, report: BatchReport) -> None:
    try:
        _answer([share], cache, report)
    except Exception as error:  # noqa: BLE001 (whatever it is, its caller gets it, and the engine goes on)
        share.outcome = error


def _embed(shares: Sequence[_Share], cache: VectorCache, report: BatchReport) -> None:
    """Embeds the texts of all shares, each distinct one once for each model."""
    groups: dict[tuple[int, bool], list[_Share]] = defaultdict(list)
    for share in shares:
        assert not isinstance(share.job, CallJob)
        keep = share.job.keep if isinstance(share.job, EmbedJob) else True
        groups[id(share.job.encoder), keep].append(share)
    for (_, keep), group in groups.items():
        assert not isinstance(group[0].job, CallJob)
        started = time.perf_counter()
        texts = list(chain.from_iterable(share.texts for share in group))
        vectors, lookups = cache.embed(group[0].job.encoder, texts, keep=keep)
        seconds = time.perf_counter() - started
        report.took("encode", seconds)
        report.tokens += lookups.tokens
        report.hits += lookups.hits
        report.misses += lookups.misses
        ends = np.cumsum([sum(map(len, share.texts)) for share in group])
        for share, own in zip(group, np.split(vectors, ends[:-1]), strict=True):
            share.vectors, share.encoded = own, seconds


def _search(group: Sequence[_Share], report: BatchReport) -> None:
    """Answers all requests to one version of an index."""
    prepared = [one for share in group for one in share.prepared if isinstance(one, PreparedRequest)]
    timing, results = Timing(0.0, 0.0, 0.0), list[SearchResult]()
    if prepared:
        job = group[0].job
        assert isinstance(job, SearchJob)
        vectors = np.concatenate([share.vectors for share in group if share.texts])
        results, timing = job.searcher.answer(prepared, vectors)
    for stage in ("search", "filter", "fetch", "rerank"):
        seconds = getattr(timing, stage)
        if seconds is not None and prepared:
            report.took(stage, seconds)
    in_order = iter(results)
    for share in group:
        outcomes = [one if isinstance(one, QueryError) else next(in_order) for one in share.prepared]
        share.outcome = BatchAnswer(outcomes, timing._replace(encode=share.tokenized + share.encoded))
