"""Mining: dataset folders become one mixture of typed examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tart_train.card import LICENCE_CLASSES
from tart_train.constraints import constraint_groups
from tart_train.dataset import RetrievalSet
from tart_train.examples import DataError, Example
from tart_train.facets import facet_groups, platform_groups, section_groups
from tart_train.hold_out import HoldOut
from tart_train.mixture import Mixture, MixtureWriter
from tart_train.negatives import Answers, EmbeddedSet, NegativeSettings, RelevanceModel, RowMiner
from tart_train.polarity import package_groups
from tart_train.sampled import SampledSet, SamplingLimits, sample
from tart_train.set_wordings import wordings_of
from tart_train.shelf import Shelf
from tart_train.units import UnitGroups
from tart_train.vector_cache import VectorCache

# Groups of one task of contrasts; more of one kind teach little.
_GROUPS = 3_000


@dataclass(frozen=True, slots=True)
class MiningSettings:
    """What is mined.

    Attributes:
        licences: Classes of licence that are taken.
        limits: How much of each set.
        negatives: Numbers and thresholds.
        contrasts: Whether to make groups that ask different things of the same documents.
        constraints: Whether to make rows with constraints of their own.
        packages: Installed Python packages whose code and documentation are contrasted.
        groups: Of one task of contrasts or constraints, at most.
        hold_out: What is left out.
    """

    licences: frozenset[str] = frozenset({"open"})
    limits: SamplingLimits = field(default_factory=SamplingLimits)
    negatives: NegativeSettings = field(default_factory=NegativeSettings)
    contrasts: bool = True
    constraints: bool = True
    packages: tuple[str, ...] = ()
    groups: int = _GROUPS
    hold_out: HoldOut = field(default_factory=HoldOut)

    def __post_init__(self) -> None:
        unknown = self.licences - set(LICENCE_CLASSES)
        if unknown or not self.licences:
            raise DataError(f"licence classes: found {sorted(self.licences)}; wanted some of {LICENCE_CLASSES}")

    def as_card(self) -> dict[str, Any]:
        """As the mixture's card holds them."""
        hold_out = self.hold_out
        return {
            **asdict(self),
            "licences": sorted(self.licences),
            "packages": list(self.packages),
            "hold_out": {"share": hold_out.share, "aspects": sorted(hold_out.aspects), "topics": len(hold_out.topics)},
        }


def mine(
    folders: Sequence[str | Path],
    out: str | Path,
    cache: VectorCache,
    settings: MiningSettings | None = None,
    *,
    reranker: RelevanceModel | None = None,
    model: str = "",
    overwrite: bool = False,
    step: Callable[[str], None] = lambda _: None,
) -> Mixture:
    """Mines a mixture.

    Args:
        folders: Dataset folders.
        out: The mixture's folder.
        cache: Embeds, and remembers.
        settings: What is mined.
        reranker: Denoises hard negatives.
        model: Name of the embedding model, for the card.
        overwrite: Whether a mixture that is there is replaced.
        step: Is told what goes on.

    Raises:
        DataError: No folder, or none of the wanted licences; a set that cannot be read; `out` is there already.
    """
    settings = settings or MiningSettings()
    with MixtureWriter(out, overwrite=overwrite) as writer:
        sets = sampled_sets(folders, settings, step)
        instructions = {each.name: found for each in sets if (found := wordings_of(each.card))}
        shelf = Shelf.of(sets)
        counts: Counter[str] = Counter()
        for example in _examples(sets, settings, cache, shelf, reranker, instructions, step):
            shelf.write(example, writer)
            counts.update(negative.kind for negative in example.negatives)
        step("writing")
        card = {
            "sets": {each.name: _licence(each) for each in sets},
            "model": model,
            "seed": settings.limits.seed,
            "negatives": dict(sorted(counts.items())),
            "settings": settings.as_card(),
        }
        return writer.finish(instructions, card)


def sampled_sets(
    folders: Sequence[str | Path], settings: MiningSettings, step: Callable[[str], None] = lambda _: None
) -> list[SampledSet]:
    """Reads the sets whose licence is wanted.

    Raises:
        DataError: There is none, or two have one name.
    """
    found: dict[str, SampledSet] = {}
    for folder in folders:
        dataset = RetrievalSet.open(folder)
        if dataset.card.licence_class not in settings.licences:
            continue
        if dataset.name in found:
            raise DataError(f"{folder}: a second set named {dataset.name!r}; give every set a name of its own")
        step(f"reading {dataset.name}")
        found[dataset.name] = sample(dataset, settings.limits, settings.hold_out)
    if not found:
        raise DataError(
            f"found {len(folders)} sets, none with a licence of class {', '.join(sorted(settings.licences))}; "
            "name other folders, or allow other classes with --licences"
        )
    return list(found.values())


def _licence(each: SampledSet) -> dict[str, Any]:
    return {
        "licence": each.card.licence,
        "licence_class": each.card.licence_class,
        "source": each.card.source,
        "queries": len(each.queries),
        "documents": len(each.documents),
        "left_out": each.left_out,
    }


def _examples(
    sets: Sequence[SampledSet],
    settings: MiningSettings,
    cache: VectorCache,
    shelf: Shelf,
    reranker: RelevanceModel | None,
    instructions: Mapping[str, Sequence[str]],
    step: Callable[[str], None],
) -> Iterator[Example]:
    """All rows: of the sets, of contrasts, of constraints."""
    answers = Answers.of(sets)
    embedded = []
    for each in sets:
        step(f"embedding {each.name}")
        queries = cache.queries([query.text for query in each.queries])
        embedded.append(EmbeddedSet(each, cache.documents(each.documents), queries))
    miner = RowMiner(embedded, settings.negatives, answers, reranker, instructions)
    for one in embedded:
        step(f"mining {one.sampled.name}")
        yield from miner.rows(one)
    yield from _contrasts(embedded, settings, shelf, instructions, step)


def _contrasts(
    embedded: Sequence[EmbeddedSet],
    settings: MiningSettings,
    shelf: Shelf,
    instructions: Mapping[str, Sequence[str]],
    step: Callable[[str], None],
) -> Iterator[Example]:
    """Groups whose rows ask different things of the same documents."""
    limit, seed = settings.groups, settings.limits.seed
    if settings.constraints:
        for one in embedded:
            step(f"constraining {one.sampled.name}")
            yield from constraint_groups(one.sampled, instructions.get(one.sampled.name, ()), limit // 5, seed)
    if settings.contrasts:
        for one in embedded:
            step(f"contrasting {one.sampled.name}")
            for make in (facet_groups, section_groups, platform_groups):
                yield from make(one, limit, seed)
        step("contrasting units")
        yield from UnitGroups(embedded, shelf, limit, seed).rows()
        step("contrasting code and documentation")
        yield from package_groups(settings.packages, shelf, limit // 3, seed)
