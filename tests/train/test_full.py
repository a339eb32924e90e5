"""TART-full: what a step reads, what it minimises, and a run from recipe to reranker."""

from __future__ import annotations

import json
import random
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from transformers import TrainerCallback

from tart import Document, Instruction, Reranker
from tart.errors import TartError
from tart.pair_tokens import Pair, PairTokenizer
from tart.tokens import read_tokenizer
from tart_train.checkpoints import CheckpointError, checkpoints
from tart_train.examples import DataError, Example, Negative
from tart_train.full import FullRun, describe
from tart_train.full_cli import full
from tart_train.full_recipe import FullRecipe, PairInputSettings, PairLossSettings
from tart_train.inputs import Row
from tart_train.lora import add_adapters, merged
from tart_train.mixture import Mixture, MixtureWriter
from tart_train.pair_inputs import PairCollator, fitting, mixed
from tart_train.pair_model import PairModel, PairStep, pair_loss
from tart_train.recipe import RecipeError, from_mapping, read_recipe
from tart_train.sampling import Draw
from tart_train.training_log import read_metrics
from tests.tiny_models import tiny_encoder

WORDS = "merge two dictionaries sort a list read compress bytes parse dates open sockets hash text".split()  # noqa: SIM905
WORDINGS = ("Find the function", "Find the Python function that does this")


def sentence(seed: int, length: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    """Twelve plain examples, a contrast pair, and one whose query fills the model."""
    path = tmp_path_factory.mktemp("data") / "mixture"
    with MixtureWriter(path) as writer:
        for number in range(40):
            title = f"Title {number}" if number % 3 == 0 else ""
            writer.add_document(Document(f"d{number}", sentence(number, 3 + number), title), "plain")
        writer.add_document(Document("twin", sentence(1, 4).upper()), "plain")
        for number in range(12):
            kinds = ("hard", "hard", "judged", "unfollowing", "random", "random")
            negatives = [Negative(f"d{12 + (number + n) % 28}", kind) for n, kind in enumerate(kinds)]
            writer.add(
                Example(f"e{number}", "plain", sentence(number, 4), (f"d{number}",), tuple(negatives), (), "plain")
            )
        for one, other in (("d30", "d31"), ("d31", "d30")):
            example = Example(
                f"pair-{one}",
                "plain",
                "open a list",
                (one,),
                (Negative(other, "polarity"),),
                (f"Find {one}",),
                "facet",
                "g",
            )
            writer.add(example)
        writer.add(Example("long", "plain", "word " * 90, ("d0",), (Negative("d1", "hard"),), (), "plain"))
        sets = {"plain": {"licence": "CC0-1.0", "licence_class": "open"}}
        return writer.finish({"plain": list(WORDINGS)}, {"sets": sets})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "base")


def recipe(mixture: Mixture, base: Path, **changes: Any) -> FullRecipe:
    body = {
        "mixture": str(mixture.path),
        "base": str(base),
        "steps": 6,
        "precision": "float32",
        "chunk_tokens": 128,
        "graph_tokens": 400,
        "lora": {"r": 4, "alpha": 8},
        "sampling": {"batch_size": 4},
        "inputs": {"max_length": 64, "min_document_tokens": 12},
        "optimizer": {"learning_rate": 0.01},
        "checkpoints": {"steps": 2, "minutes": 0},
    }
    return from_mapping({**body, **changes}, FullRecipe)


@pytest.fixture
def run(mixture: Mixture, base: Path, tmp_path: Path) -> FullRun:
    return FullRun(recipe(mixture, base), tmp_path / "run", device="cpu", threads=1)


def test_training_reads_the_token_ids_that_the_reranker_reads(run: FullRun) -> None:
    result = run.train(max_minutes=1e-9)
    reranker = Reranker.load(str(result.model), dtype="float32")
    assert reranker.pair_format == run.pair_format
    rows = [
        Row(run.mixture[number], wording, run.mixture[number].positives[0], ("d39", "d20"))
        for number, wording in ((0, ""), (3, WORDINGS[1]), (6, "\n Find  it "))
    ]
    collator = PairCollator(run.mixture, run.fitting.numbers, run.tokenizer, run.recipe.inputs, 0)
    found = collator.batch(rows)
    pairs = [
        Pair(row.example.query, Instruction(row.instruction), run.mixture.document(document))
        for row in rows
        for document in (row.positive, *row.negatives)
    ]
    wanted = reranker.tokenize(pairs)
    assert found.ends.tolist() == [3, 6, 9]
    assert np.array_equal(found.pairs.tokens.ids, wanted.tokens.ids)
    assert np.array_equal(found.pairs.types, wanted.types)
    assert found.bare.tolist() == [True, False, False]
    assert wanted.tokens.truncated.any()


def test_negatives_are_of_all_kinds_those_for_the_instruction_first() -> None:
    kinds = ["random"] * 3 + ["hard"] * 3 + ["unfollowing", "polarity", "judged"]
    negatives = [Negative(f"{kind}{n}", kind) for n, kind in enumerate(kinds)]  # type: ignore[arg-type]
    chosen = mixed(negatives, 4, random.Random(0))
    assert [name.rstrip("0123456789") for name in chosen] == ["polarity", "unfollowing", "judged", "hard"]
    more = mixed(negatives, 8, random.Random(0))
    assert [name.rstrip("0123456789") for name in more[4:]] == ["random", "hard", "random", "hard"]
    assert len(set(more)) == 8
    assert sorted(mixed(negatives, 99, random.Random(0))) == sorted(each.id for each in negatives)
    assert {mixed(negatives[:3], 1, random.Random(seed))[0] for seed in range(20)} == {"random0", "random1", "random2"}


def rows_of(run: FullRun, draws: list[Draw], settings: PairInputSettings) -> list[list[str]]:
    """Ids of each row's documents, told from the texts that the batch holds."""
    collator = PairCollator(run.mixture, run.fitting.numbers, run.tokenizer, settings, 0)
    seen: list[Row] = []
    collator.batch = seen.extend  # type: ignore[assignment, method-assign]
    collator(draws)
    return [[row.positive, *row.negatives] for row in seen]


def test_a_bare_row_has_no_negative_that_only_the_instruction_excludes(run: FullRun) -> None:
    settings = PairInputSettings(no_instruction=1.0, no_instruction_contrast=1.0)
    draws = [Draw(row, epoch) for row in range(14) for epoch in range(3)]
    for draw, documents in zip(draws, rows_of(run, draws, settings), strict=True):
        example = run.mixture[run.fitting.numbers[draw.row]]
        wrong = {each.id for each in example.negatives if each.kind in ("unfollowing", "polarity")}
        assert not wrong & set(documents)
        # Too few of its own: documents of other rows fill the row, but none of the same query.
        assert len(documents) == 5
        assert not {"d30", "d31"} & set(documents[1:]) or not example.group


def test_a_negative_with_the_text_of_its_positive_is_left_out(run: FullRun) -> None:
    collator = PairCollator(run.mixture, run.fitting.numbers, run.tokenizer, run.recipe.inputs, 0)
    row = Row(run.mixture[1], "", "d1", ("twin", "d2"))
    assert collator.batch([row]).ends.tolist() == [2]


def test_queries_that_leave_no_room_are_left_out(mixture: Mixture, base: Path, run: FullRun) -> None:
    assert (run.fitting.left_out, run.fitting.numbers) == (1, list(range(14)))
    tokenizer = PairTokenizer(read_tokenizer(base / "tokenizer.json"), run.pair_format)
    assert fitting(mixture, tokenizer) == run.fitting
    settings = {"max_length": 64, "min_document_tokens": 47}
    with pytest.raises(DataError, match="instruction 'Find the Python function that does this' is too long"):
        FullRun(recipe(mixture, base, inputs=settings), Path("unused"))


def test_the_loss_is_its_formula() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.5, 0.1, 1.5])
    rows = [logits[:3], logits[3:5], logits[5:]]
    listwise = [-torch.log_softmax(row, 0)[0] for row in rows]
    binary = [
        torch.nn.functional.binary_cross_entropy_with_logits(row, torch.tensor([1.0] + [0.0] * (len(row) - 1)))
        for row in rows
    ]
    loss, told = pair_loss(logits, [3, 2, 1], PairLossSettings(listwise=0.5, binary=2.0))
    assert float(loss) == pytest.approx(float(0.5 * sum(listwise) + 2 * sum(binary)))
    assert told.listwise == pytest.approx(float(sum(listwise)))
    assert told.binary == pytest.approx(float(sum(binary)))
    assert told.first == 2


@pytest.mark.parametrize("fold", [True, False])
def test_a_step_in_chunks_gives_the_gradients_of_each_pair_alone(run: FullRun, fold: bool) -> None:
    from contextlib import nullcontext

    torch.manual_seed(0)
    model = PairModel.load(run.folder, "sides", 0.0, "cpu")
    add_adapters(model.transformer, run.recipe.lora, "base")
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    batch = next(run.batches(0))
    settings = PairLossSettings(listwise=1.0, binary=0.3)
    around = (lambda: merged(model, torch.float32)) if fold else nullcontext
    value, told, tokens = PairStep(model, run.hardware, settings, 128, 400, around)(batch)
    found = {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
    model.zero_grad()
    losses = []
    for row in batch.rows():
        logits = []
        for number in row:
            ids = torch.from_numpy(batch.pairs.tokens[number]).long()
            types = torch.from_numpy(batch.pairs.types_of(number)).long()
            states = model.transformer(input_ids=ids[None], token_type_ids=types[None]).last_hidden_state[0]
            logits.append(model.head(states, torch.tensor([len(ids)]), types))
        losses.append(pair_loss(torch.cat(logits), [len(row)], settings)[0])
    whole = torch.stack(losses).mean()
    whole.backward()  # type: ignore[no-untyped-call]
    assert value == pytest.approx(float(whole.detach()), abs=1e-5)
    assert set(told) == {"listwise", "binary", "first"}
    assert tokens == len(batch.pairs.tokens.ids)
    wanted = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    assert found.keys() == wanted.keys()
    assert any("lora_A" in name for name in found)
    for name, grad in wanted.items():
        assert torch.allclose(found[name], grad, atol=1e-5), name


class Kill(TrainerCallback):
    """Ends a run as a signal would, after a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self._step:
            raise KeyboardInterrupt


def curve(run: FullRun) -> list[tuple[int, float, float]]:
    return [(row["step"], row["loss"], row["learning_rate"]) for row in read_metrics(run.run)]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_run_goes_on_exactly_where_it_was(
    mixture: Mixture, base: Path, tmp_path: Path, method: str, documents: list[Document]
) -> None:
    followed = recipe(mixture, base, method=method)
    whole = FullRun(followed, tmp_path / "whole", device="cpu", threads=1)
    done = whole.train()
    assert (done.step, done.finished) == (6, True)
    killed = FullRun(followed, tmp_path / "killed", device="cpu", threads=1)
    with pytest.raises(KeyboardInterrupt):
        killed.train(callbacks=(Kill(5),))
    assert [path.name for path in checkpoints(killed.run)] == ["checkpoint-2", "checkpoint-4"]
    torch.manual_seed(99)
    resumed = killed.train()
    assert [step for step, _, _ in curve(whole)] == [1, 2, 3, 4, 5, 6]
    assert curve(killed) == curve(whole)
    scores = [
        Reranker.load(str(each.model), dtype="float32").score("merge", "Find it", documents) for each in (done, resumed)
    ]
    assert np.array_equal(*scores)
    assert np.ptp(scores[0]) > 1e-4


def test_the_saved_model_scores_as_the_trained_one(run: FullRun, documents: list[Document]) -> None:
    kept: list[Any] = []

    class Keep(TrainerCallback):
        def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            kept.append(model)

    result = run.train(callbacks=(Keep(),))
    pairs = run.tokenizer([Pair("merge dates", Instruction("Find it"), document) for document in documents])
    step = PairStep(kept[0].eval(), run.hardware, run.recipe.loss, 128, 400)
    with torch.no_grad():
        wanted = torch.sigmoid(step.logits(pairs, range(len(pairs)))).numpy()
    found = Reranker.load(str(result.model), dtype="float32").score("merge dates", "Find it", documents)
    assert np.abs(found - wanted).max() < 1e-5
    names = {path.name for path in result.model.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "head.safetensors", "tart_reranker.json"} <= names
    card = (result.model / "README.md").read_text(encoding="utf-8")
    assert "| plain | CC0-1.0 | open |" in card
    assert "# tart-full" in card
    assert "Of 15 examples\n1 were left out of training" in card
    told = json.loads(card.partition("```json\n")[2].partition("```")[0])
    assert {**told, "mixture": "", "base": ""} == {**describe(run.recipe), "mixture": "", "base": ""}


@pytest.fixture
def full_disk() -> Iterator[Any]:
    """No file may grow beyond some bytes, once it is called."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, old[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, old)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_leaves_the_previous_checkpoint_whole(
    mixture: Mixture, base: Path, tmp_path: Path, full_disk: Any
) -> None:
    run = FullRun(recipe(mixture, base), tmp_path / "run", device="cpu", threads=1)

    class Fill(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 3:
                full_disk(4_000)

    with pytest.raises(CheckpointError, match=r"checkpoint-4: cannot be written .* the previous one is whole"):
        run.train(callbacks=(Fill(),))
    assert [path.name for path in run.run.glob("*checkpoint*")] == ["checkpoint-2"]
    full_disk(resource.RLIM_INFINITY)
    again = run.train()
    whole = FullRun(recipe(mixture, base), tmp_path / "whole", device="cpu", threads=1)
    whole.train()
    assert again.finished
    assert curve(run) == curve(whole)


def test_a_checkpoint_of_another_recipe_is_refused(mixture: Mixture, base: Path, tmp_path: Path) -> None:
    FullRun(recipe(mixture, base), tmp_path / "run", device="cpu", threads=1).train(max_minutes=1e-9)
    other = FullRun(recipe(mixture, base, seed=1, pooling="mean"), tmp_path / "run", device="cpu", threads=1)
    with pytest.raises(CheckpointError, match="another recipe, which differs in pooling, seed"):
        other.train()
    assert other.train(fresh=True, max_minutes=1e-9).step == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": 3}, "unknown key 'step'; did you mean 'steps'"),
        ({"inputs": {"max_lenght": 3}}, "unknown key 'inputs.max_lenght'; did you mean 'inputs.max_length'"),
        ({"steps": 0}, "steps is 0; wanted 1 or more"),
        ({"pooling": "max"}, "pooling is 'max'; wanted one of sides, mean, cls"),
        ({"chunk_tokens": 16}, "chunk_tokens is 16 and graph_tokens 400"),
        ({"loss": {"listwise": 0, "binary": 0}}, "not both 0"),
        ({"inputs": {"negatives_per_query": 0}}, "inputs.negatives_per_query is 0"),
        ({"dropout": 1}, r"dropout is 1\.0"),
    ],
)
def test_a_recipe_s_mistake_is_named(mixture: Mixture, base: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(mixture, base, **changes)


def test_the_shipped_recipe_is_one() -> None:
    file = Path(__file__).parents[2] / "train" / "recipes" / "full.yaml"
    assert read_recipe(file, FullRecipe).pooling == "sides"


def test_the_command_trains(mixture: Mixture, base: Path, tmp_path: Path) -> None:
    body = {"mixture": str(mixture.path), "base": str(base), "steps": 2, "precision": "float32"}
    body["inputs"] = {"max_length": 64, "min_document_tokens": 12}
    body["sampling"] = {"batch_size": 4}
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(body), encoding="utf-8")
    result = CliRunner().invoke(full, [str(file), "--out", str(tmp_path / "run"), "--device", "cpu", "--threads", "1"])
    assert result.exit_code == 0, result.output
    assert "1 examples are left out" in result.stderr
    assert f"{tmp_path / 'run' / 'model'}: trained 2 of 2 steps" in result.stdout
    refused = CliRunner().invoke(full, [str(tmp_path / "none.yaml"), "--out", str(tmp_path / "run")])
    assert isinstance(refused.exception, TartError)
