"""Data selection from start to end: a pool and a target become chosen rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tart.encoder import Encoder
from tart.engines import Hardware
from tart.errors import SourceError
from tart.models import DEFAULT_MODEL
from tart_index.folder import MANIFEST, IndexFolder
from tart_index.searcher import check_model
from tart_index.selection.choosing import Choosing
from tart_index.selection.chosen import Selection
from tart_index.selection.evaluation_texts import EvaluationTexts
from tart_index.selection.examples import Example
from tart_index.selection.options import CONTROLS, SelectionOptions
from tart_index.selection.plan import Plan, plan_of
from tart_index.selection.pool import Pool, index_pool, read_pool, with_vectors
from tart_index.selection.ranking import Ranking
from tart_index.selection.run import EvaluationCard, ModelCard, SelectionRun, fingerprint
from tart_index.selection.sources import Reading, Rows, Source
from tart_index.selection.stage import Silent, Stages
from tart_index.selection.targets import Targets, read_targets, target_vectors

PoolRows: TypeAlias = Rows | IndexFolder
_SPOOL = "rows.jsonl"
_INDEX = "index"
_SCORES = "scores.bin"


class EncoderChoice(NamedTuple):
    """A model to load when it turns out that one is needed.

    Attributes:
        name: None: the index's own where the pool is one, else the default model.
        device: See `tart.encoder.Encoder.load`.
        dtype: Likewise.
        threads: Likewise.
    """

    name: str | None = None
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None

    def load(self, folder: IndexFolder | None) -> Encoder:
        """Loads the model, with the input format and the length of vectors of the index where there is one."""
        name = self.name or (DEFAULT_MODEL if folder is None else folder.manifest.model.name)
        input_format = None if folder is None else folder.manifest.input_format
        dimension = None if folder is None else folder.manifest.cut_dim
        hardware = {"device": self.device, "dtype": self.dtype}
        return Encoder.load(name, threads=self.threads, input_format=input_format, dimension=dimension, **hardware)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a selection starts from.

    Attributes:
        pool: A path, an index folder, a `datasets` object or any iterable of rows.
        like: The target: the same, or texts.
        options: The method and its conditions.
        encoder: The model, or which one to load where one is needed.
        against: Evaluation sets that nothing may be taken from.
        pool_reading: How rows of the pool are read.
        target_reading: How rows of the target and of evaluation sets are read.
        controls: Make size-matched controls too.
        pool_index: Where the pool's vectors are kept as an index; None: in the work folder.
    """

    pool: PoolRows
    like: Rows
    options: SelectionOptions
    encoder: Encoder | EncoderChoice = field(default_factory=EncoderChoice)
    against: Sequence[Rows] = ()
    pool_reading: Reading = field(default_factory=Reading)
    target_reading: Reading = field(default_factory=Reading)
    controls: bool = False
    pool_index: Path | None = None


def select(
    pool: PoolRows,
    like: Rows,
    options: SelectionOptions | None = None,
    *,
    encoder: Encoder | None = None,
    against: Sequence[Rows] = (),
    pool_reading: Reading | None = None,
    target_reading: Reading | None = None,
    pool_index: str | Path | None = None,
) -> Selection:
    """Chooses the rows of a pool that are like the examples of a target.

    Args:
        pool: A path, an open index, a `datasets` object or any iterable of rows.
        like: The target: the same, or texts.
        options: The method and its conditions.
        encoder: The model; the default one, or the index's own.
        against: Evaluation sets that nothing may be taken from.
        pool_reading: How rows of the pool are read; told from the first row.
        target_reading: The same for the target and evaluation sets.
        pool_index: A folder where the pool's vectors are kept and found again.

    Raises:
        SourceError: Pool or target is empty, cannot be read, or holds a bad row.
        QueryError: The options do not fit.
        IndexFolderError: The index is another model's.
    """
    asked = Asked(
        pool,
        like,
        options or SelectionOptions(),
        encoder or EncoderChoice(),
        against,
        pool_reading or Reading(),
        target_reading or Reading(),
        pool_index=None if pool_index is None else Path(pool_index),
    )
    with select_run(asked) as run:
        return run.selection


@contextmanager
def select_run(asked: Asked, work: Path | None = None, stages: Stages | None = None) -> Iterator[SelectionRun]:
    """The same with all that it came from; the run can be used inside the block.

    Args:
        asked: What to select from, and how.
        work: A folder from which a killed run goes on; None: nothing is kept.
        stages: Is told how it goes on.
    """
    with prepared(asked, work, stages) as preparation:
        yield preparation.run()


@contextmanager
def prepared(asked: Asked, work: Path | None = None, stages: Stages | None = None) -> Iterator[Preparation]:
    """Reads and checks pool and target and loads the model; nothing is embedded or scored yet.

    Raises:
        SourceError: Pool or target is empty, cannot be read, or holds a bad row; or they are the same.
        IndexFolderError: The index is another model's.
    """
    with tempfile.TemporaryDirectory(prefix="tart-select-") as temporary:
        folder = work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            preparation = _preparation(asked, folder, stages or Silent())
            with closing(preparation.pool.examples):
                yield preparation
        finally:
            (folder / _SPOOL).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Preparation:
    """A selection that is ready to run.

    Attributes:
        asked: What was asked for.
        pool: Without vectors, unless it is an index.
        targets: Without vectors.
        encoder: None where no vectors are needed.
        against: Evaluation sets.
        evaluation: Their examples.
        work: Folder for what a killed run leaves.
        stages: Are told how it goes on.
    """

    asked: Asked
    pool: Pool
    targets: Targets
    encoder: Encoder | None
    against: tuple[EvaluationCard, ...]
    evaluation: tuple[Example, ...]
    work: Path
    stages: Stages

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides what will be chosen."""
        return fingerprint(self.asked.options, self.pool, self.targets, self._model, self.against)

    @property
    def hardware(self) -> Hardware:
        """Where scores are computed."""
        return Hardware.choose("cpu") if self.encoder is None else self.encoder.hardware

    @property
    def index(self) -> Path:
        """Where the pool's vectors are kept."""
        return self.asked.pool_index or self.work / _INDEX

    def plan(self) -> Plan:
        """What the run will cost."""
        return plan_of(self.pool, self.targets, self.asked.options, self.encoder, self.hardware)

    def run(self) -> SelectionRun:
        """Embeds, scores and chooses."""
        options = self.asked.options
        pool, targets = self._with_vectors()
        ranking = Ranking(pool, targets, options, self.hardware, self.work / _SCORES, self.stages)
        choosing = Choosing(pool, targets, options, self._evaluation_texts(), ranking, self.stages)
        selection = choosing.selection()
        methods = [method for method in CONTROLS if self.asked.controls and selection.chosen]
        controls: dict[str, Selection] = {method: choosing.control(method, len(selection.chosen)) for method in methods}
        recall = ranking.recall
        (self.work / _SCORES).unlink(missing_ok=True)
        return SelectionRun(options, pool, targets, selection, controls, self._model, self.against, recall)

    @property
    def _model(self) -> ModelCard | None:
        encoder = self.encoder
        if encoder is None:
            return None
        form = encoder.input_format
        return ModelCard(encoder.name, encoder.fingerprint, form.name, form.fingerprint, encoder.hardware.dtype)

    def _with_vectors(self) -> tuple[Pool, Targets]:
        if self.encoder is None:
            return self.pool, self.targets
        own = self.asked.pool_index is None
        pool = with_vectors(self.pool, self.encoder, self.index, self.stages, replace_index=own)
        if not self.asked.options.scores_vectors:
            return pool, self.targets
        self.stages.start("embedding targets", None)
        vectors = target_vectors(self.targets.texts, self.asked.options.instruction, self.encoder, self.work)
        return pool, replace(self.targets, vectors=vectors)

    def _evaluation_texts(self) -> EvaluationTexts | None:
        if not self.evaluation:
            return None
        options = self.asked.options
        vectors = None
        if options.against_similarity is not None and self.encoder is not None:
            vectors = target_vectors([example.input for example in self.evaluation], "", self.encoder, self.work)
        return EvaluationTexts.of(self.evaluation, options.ngram, vectors, options.against_similarity)


def _preparation(asked: Asked, work: Path, stages: Stages) -> Preparation:
    target_source = Source.of(asked.like, "target", asked.target_reading.encoding)
    given = _opened(asked.pool)
    targets = read_targets(target_source, asked.target_reading)
    if isinstance(given, IndexFolder):
        pool = index_pool(given, asked.pool_reading, stages)
    else:
        source = Source.of(given, "pool", asked.pool_reading.encoding)
        _refuse_same(source, target_source, targets, asked.options)
        pool = read_pool(source, asked.pool_reading, work / _SPOOL, stages)
    for note in (*pool.notes, *targets.notes):
        stages.say(note)
    encoder = None
    if asked.options.needs_pool_vectors:
        encoder = asked.encoder if isinstance(asked.encoder, Encoder) else asked.encoder.load(pool.folder)
        if pool.folder is not None:
            check_model(pool.folder, encoder)
    cards, evaluation = _evaluation(asked)
    return Preparation(asked, pool, targets, encoder, cards, evaluation, work, stages)


def _opened(pool: PoolRows) -> PoolRows:
    """The index where a path is one; a `datasets` folder has no manifest."""
    is_index = isinstance(pool, (str, Path)) and (Path(pool) / MANIFEST).is_file()
    return IndexFolder.open(str(pool)) if is_index else pool


def _refuse_same(source: Source, target: Source, targets: Targets, options: SelectionOptions) -> None:
    """Refuses a pool that is the target: every example would choose itself.

    Raises:
        SourceError: They are the same.
    """
    same_path = source.path is not None and target.path is not None and source.path.samefile(target.path)
    if options.exclude_targets or not (same_path or source.sha256() == targets.sha256):
        return
    raise SourceError(
        f"pool and target are the same ({source.name}), so that every example would choose itself; give another "
        "target, or leave rows out whose input is a target's with --exclude-targets"
    )


def _evaluation(asked: Asked) -> tuple[tuple[EvaluationCard, ...], tuple[Example, ...]]:
    """Reads the evaluation sets, in the order in which they were given."""
    cards, read = [], []
    for number, given in enumerate(asked.against):
        source = Source.of(given, f"evaluation set {number + 1}", asked.target_reading.encoding)
        examples = tuple(source.examples(replace(asked.target_reading, layout=None)))
        if not examples:
            raise SourceError(f"the evaluation set {source.name} has no examples; wanted one or more")
        cards.append(EvaluationCard(source.name, source.sha256(), len(examples)))
        read.append(examples)
    return tuple(cards), tuple(chain.from_iterable(read))
