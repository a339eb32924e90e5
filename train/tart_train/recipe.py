"""Recipes: one YAML file says everything that a training run depends on.

A recipe is read into frozen dataclasses. An unknown key, a value of another type or out of its range is an error that
names the key, so that a misspelt setting never trains a model with the default.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from tart.errors import TartError
from tart_train.examples import NegativeKind

T = TypeVar("T")
LORA_TARGETS = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")


class RecipeError(TartError):
    """A recipe that cannot be followed."""


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685): W + alpha/r * B A.

    Attributes:
        r: Rank.
        alpha: The contribution is scaled by alpha / r.
        targets: Ends of the names of the linear layers that adapt.
        merged: Add B A to the dense weights once a step instead of running both at every call: the same gradients,
            fewer and larger products.
    """

    r: int = 32
    alpha: float = 32.0
    targets: tuple[str, ...] = LORA_TARGETS
    merged: bool = True

    def __post_init__(self) -> None:
        _at_least("lora.r", self.r, 1)
        _above("lora.alpha", self.alpha, 0)
        if not self.targets:
            raise RecipeError("lora.targets is empty; name at least one layer, for example query")


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How batches are drawn.

    Attributes:
        batch_size: Queries in a batch, over all processes.
        alpha: Tasks are drawn by their number of examples to this power; 1 is proportional, 0 is uniform.
        homogeneous: Share of batches that hold one task alone, where in-batch negatives are harder.
        weights: A task's factor on its share, by name; 0 leaves it out.
    """

    batch_size: int = 64
    alpha: float = 0.5
    homogeneous: float = 0.5
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _at_least("sampling.batch_size", self.batch_size, 2)
        _share("sampling.alpha", self.alpha)
        _share("sampling.homogeneous", self.homogeneous)
        for task, weight in self.weights.items():
            _at_least(f"sampling.weights.{task}", weight, 0)


@dataclass(frozen=True, slots=True)
class InputSettings:
    """What the model reads.

    Attributes:
        format: Name of an input format; the base model's own by default.
        max_query_length: Tokens of instruction and query, special tokens counted; the query's end is cut.
        max_document_length: Tokens of a document.
        no_instruction: Share of rows that are read without an instruction, which keeps plain retrieval alive.
        no_instruction_contrast: The same for rows of a group.
        negatives_per_query: At most so many negatives of a row, drawn each epoch from as many kinds as it has.
        negative_kinds: Kinds that are drawn; empty is all.
    """

    format: str = ""
    max_query_length: int = 96
    max_document_length: int = 128
    no_instruction: float = 0.35
    no_instruction_contrast: float = 0.1
    negatives_per_query: int = 1
    negative_kinds: tuple[NegativeKind, ...] = ()

    def __post_init__(self) -> None:
        _at_least("inputs.max_query_length", self.max_query_length, 8)
        _at_least("inputs.max_document_length", self.max_document_length, 8)
        _share("inputs.no_instruction", self.no_instruction)
        _share("inputs.no_instruction_contrast", self.no_instruction_contrast)
        _at_least("inputs.negatives_per_query", self.negatives_per_query, 0)


@dataclass(frozen=True, slots=True)
class OptimizerSettings:
    """AdamW with linear warm-up.

    Attributes:
        learning_rate: At the end of warm-up.
        warmup: Share of the steps.
        schedule: How the rate falls to zero after warm-up.
        weight_decay: Of matrices; biases and norms have none.
        max_grad_norm: Gradients are scaled down to this norm; 0 leaves them.
    """

    learning_rate: float = 2e-4
    warmup: float = 0.1
    schedule: Literal["linear", "cosine"] = "cosine"
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        _above("optimizer.learning_rate", self.learning_rate, 0)
        _share("optimizer.warmup", self.warmup)
        _at_least("optimizer.weight_decay", self.weight_decay, 0)
        _at_least("optimizer.max_grad_norm", self.max_grad_norm, 0)


@dataclass(frozen=True, slots=True)
class CheckpointSettings:
    """When the state is saved.

    Attributes:
        steps: Every so many steps; 0 is never.
        minutes: And every so many minutes; 0 is never.
        keep: How many of the last checkpoints stay.
    """

    steps: int = 0
    minutes: float = 10.0
    keep: int = 2

    def __post_init__(self) -> None:
        _at_least("checkpoints.steps", self.steps, 0)
        _at_least("checkpoints.minutes", self.minutes, 0)
        _at_least("checkpoints.keep", self.keep, 1)


@dataclass(frozen=True, slots=True)
class DevSettings:
    """What is scored while training goes on: nDCG@10 by exact search, a glimpse and no evaluation.

    Attributes:
        sets: Folders of retrieval sets in BEIR layout, relative to the recipe.
        steps: Every so many steps; 0 is only at the end.
        queries: At most so many queries of a set.
        documents: At most so many documents of a set, those judged for the queries first.
        instructions: A set's instruction, by its folder's name; sets without one are scored bare only.
    """

    sets: tuple[str, ...] = ()
    steps: int = 0
    queries: int = 50
    documents: int = 2_000
    instructions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _at_least("dev.steps", self.steps, 0)
        _at_least("dev.queries", self.queries, 1)
        _at_least("dev.documents", self.documents, 10)


def read_recipe(path: Path, kind: type[T]) -> T:
    """Reads a YAML file into a recipe's dataclass.

    Raises:
        RecipeError: No such file, no YAML mapping, an unknown key, or a value of the wrong type or range.
    """
    import yaml

    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); name a recipe, a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{path}: not YAML ({reason})") from error
    if not isinstance(body, dict):
        raise RecipeError(f"{path}: found {_name(body)}; wanted `key: value` lines")
    try:
        return from_mapping(body, kind)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error


def from_mapping(body: Mapping[str, Any], kind: type[T], where: str = "") -> T:
    """A dataclass from a mapping, with every key and type checked.

    Raises:
        RecipeError: A key is unknown or missing, or a value has the wrong type or range.
    """
    hints = typing.get_type_hints(kind)
    known = {one.name: one for one in fields(cast("Any", kind))}
    for key in body:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            raise RecipeError(f"unknown key {where + str(key)!r}; did you mean {where + near[0]!r}?")
    for name, one in known.items():
        if name not in body and one.default is MISSING and one.default_factory is MISSING:
            raise RecipeError(f"the key {where + name!r} is missing")
    return kind(**{key: _value(value, hints[key], where + key) for key, value in body.items()})


def to_mapping(recipe: Any) -> dict[str, Any]:
    """What `from_mapping` reads back: plain lists, mappings and scalars."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): plain(each) for key, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value

    body: dict[str, Any] = plain(asdict(recipe))
    return body


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any], where: str = "") -> list[str]:
    """Dotted names of the keys whose values differ, in order; a list that is not there is an empty one."""
    found: list[str] = []
    for key in sorted({*one, *other}):
        left, right = one.get(key), other.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            found += differing_keys(left, right, f"{where}{key}.")
        elif left != right and not all(each is None or each == [] for each in (left, right)):
            found.append(f"{where}{key}")
    return found


def _value(value: Any, hint: Any, where: str) -> Any:  # noqa: PLR0911 (one return for each kind of type)
    """A value as its field's type wants it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _value(value, next(each for each in arguments if each is not type(None)), where)
    if is_dataclass(hint):
        return from_mapping(_typed(value, dict, where), cast("Any", hint), where + ".")
    if origin is Literal:
        if value not in arguments:
            raise RecipeError(f"{where} is {value!r}; wanted one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        return tuple(_value(each, arguments[0], f"{where}[{n}]") for n, each in enumerate(_typed(value, list, where)))
    if origin is not None and issubclass(origin, Mapping):
        body = _typed(value, dict, where)
        return {str(key): _value(each, arguments[1], f"{where}.{key}") for key, each in body.items()}
    return _scalar(value, hint, where)


def _scalar(value: Any, kind: type, where: str) -> Any:
    if kind is float and not isinstance(value, bool):
        if isinstance(value, int):
            return float(value)
        # YAML 1.1 reads 1e-4 as text: it wants a point.
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                pass
    return _typed(value, kind, where)


def _typed(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = {dict: "keys and values", list: "a list", str: "text", bool: "true or false"}.get(kind, kind.__name__)
        raise RecipeError(f"{where} is {value!r} ({_name(value)}); wanted {wanted}")
    return value


def _name(value: object) -> str:
    return "nothing" if value is None else type(value).__name__


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise RecipeError(f"{name} is {value}; wanted {least} or more")


def _above(name: str, value: float, bound: float) -> None:
    if not value > bound:
        raise RecipeError(f"{name} is {value}; wanted more than {bound}")


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise RecipeError(f"{name} is {value}; wanted a share from 0 to 1")
