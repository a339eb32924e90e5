"""What a selection is asked for: the method, how much, and what may not be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from tart.errors import QueryError

Method: TypeAlias = Literal["deft", "rds", "round-robin", "bm25", "random", "balanced"]
Over: TypeAlias = Literal["targets", "tasks"]

METHODS: tuple[Method, ...] = get_args(Method)
CONTROLS: tuple[Method, ...] = ("random", "balanced", "bm25")
NEIGHBOURS = 500
GRAM = 13
# Methods that rank every row of the pool, so that only a budget ends them.
_ENDLESS: tuple[Method, ...] = ("rds", "random", "balanced")
_BY_VECTORS: tuple[Method, ...] = ("deft", "rds", "round-robin")


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """How rows are chosen.

    Attributes:
        method: "deft": the union of every target's nearest neighbours, the rows that most targets have first (Ivison
            et al. 2022). "rds": the rows with the highest similarity to any target (RDS+, Ivison et al. 2025, with the
            retriever's vectors in the place of a language model's hidden states). "round-robin": targets, or tasks of
            targets, take their next best row in turn. "bm25": round-robin by words. "random". "balanced": random, the
            same number from every task of the pool.
        neighbours: Nearest neighbours of each target that "deft", "round-robin" and "bm25" look at.
        budget: The most rows that are chosen; None takes all that the neighbours are.
        instruction: What makes a row like a target; targets are then encoded as queries under it. "": targets are
            encoded as the pool's rows are, as DEFT does.
        over: Who takes turns in "round-robin".
        per_task: The most rows of one task of the pool.
        drop_duplicates: Choose one of several rows whose input and target are the same but for case, punctuation and
            white space.
        near_duplicates: Leave out a row whose similarity to one that is chosen already is this or more.
        exclude_targets: Leave out rows whose input is a target's.
        ngram: A row that shares so many words in a row with an evaluation text is left out.
        against_similarity: A row as similar as this to an evaluation text is left out; None: only n-grams decide.
        diversity: 0 to 1: how much a row's similarity to those that are chosen counts against it (maximal marginal
            relevance, Carbonell and Goldstein 1998); None: not at all.
        ann: An approximate structure that finds the neighbours: "ivf", "hnsw" or a FAISS factory string; None: exact.
        seed: Of all that is random.

    Raises:
        QueryError: A value is out of range, or does not go with the method.
    """

    method: Method = "deft"
    neighbours: int = NEIGHBOURS
    budget: int | None = None
    instruction: str = ""
    over: Over = "targets"
    per_task: int | None = None
    drop_duplicates: bool = False
    near_duplicates: float | None = None
    exclude_targets: bool = False
    ngram: int = GRAM
    against_similarity: float | None = None
    diversity: float | None = None
    ann: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise QueryError(f"there is no method {self.method!r}; wanted one of {', '.join(METHODS)}")
        if self.over not in get_args(Over):
            raise QueryError(f"there is no round-robin over {self.over!r}; wanted targets or tasks")
        for name, least in (("neighbours", 1), ("budget", 1), ("per_task", 1), ("ngram", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise QueryError(f"{name} is {value}; wanted {least} or more")
        for name in ("near_duplicates", "against_similarity", "diversity"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise QueryError(f"{name} is {value}; wanted 0 to 1")
        self._check_together()

    def _check_together(self) -> None:
        """Refuses values that contradict each other."""
        if self.budget is None and (self.method in _ENDLESS or self.diversity is not None):
            what = "diversity" if self.method not in _ENDLESS else f"method {self.method}"
            raise QueryError(f"{what} ranks without an end; say how many rows are wanted with a budget")
        if self.ann is not None and self.method not in ("deft", "round-robin"):
            raise QueryError(f"method {self.method} has no use for an approximate structure; leave ann out")
        if self.over == "tasks" and self.method != "round-robin":
            raise QueryError(f"method {self.method} takes no turns; turns over tasks are those of round-robin")
        if self.instruction and self.method not in _BY_VECTORS:
            raise QueryError(
                f"method {self.method} reads no instruction; leave it out, or choose deft, rds, round-robin"
            )
        if self.diversity is not None and self.method not in _BY_VECTORS:
            raise QueryError(f"method {self.method} has no similarities to weigh diversity against; leave it out")

    @property
    def scores_vectors(self) -> bool:
        """Whether the method compares vectors of the pool with vectors of the targets."""
        return self.method in _BY_VECTORS

    @property
    def needs_pool_vectors(self) -> bool:
        """Whether the method, or a filter, looks at vectors of the pool."""
        return self.scores_vectors or self.near_duplicates is not None or self.against_similarity is not None

    def to_json(self) -> Mapping[str, Any]:
        """All values by name."""
        return asdict(self)
