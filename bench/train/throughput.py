"""Training tokens per second and peak memory: `tart train dual` against the plain sentence-transformers trainer."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tart.documents import Document
from tart.engines.hardware import available_cpus
from tart.instructions import Instruction
from tart.tokens import read_tokenizer
from tart_train.dual_recipe import DualRecipe
from tart_train.examples import Example, Negative
from tart_train.inputs import TextInputs, document_key
from tart_train.mixture import Mixture, MixtureWriter
from tart_train.recipe import CheckpointSettings, InputSettings, LoraSettings, SamplingSettings
from tart_train.sampling import Draw, Schedule
from tart_train.text_model import open_base

sys.path.insert(0, str(Path(__file__).parents[1]))
from reporting import Spread, table, write

ROWS, LORA, SEED = "rows", LoraSettings(r=32, alpha=32.0), 0
LENGTHS = InputSettings(no_instruction=0.0, no_instruction_contrast=0.0, negatives_per_query=1)
PRODUCT = (4096, 384, 1536)
OURS = {"tart, whole graph": False, "tart, grad_cache": True}
PEERS = {"sentence-transformers, MNRL": False, "sentence-transformers, CachedMNRL": True}
NUMBERS = {"float32": "fp32", "bfloat16": "bf16"}


class Variant(NamedTuple):
    """What one subprocess trains with; the name of a number type is torch's."""

    trainer: str
    method: str
    precision: str

    @property
    def name(self) -> str:
        """As the report says it."""
        return f"{self.trainer}, {self.method}, {NUMBERS[self.precision]}"


def variants(precisions: Sequence[str], wanted: str) -> list[Variant]:
    """All variants whose name holds `wanted`, the slowest peer of each method first."""
    every = [
        Variant(trainer, method, precision)
        for method in ("lora", "full")
        for precision in precisions
        for trainer in (*PEERS, *OURS)
    ]
    return [variant for variant in every if wanted in variant.name]


# What is trained on


def mixed_rows(mixture: Mixture, count: int) -> Iterator[tuple[Example, Document, Document]]:
    """Rows of a mixture as a recipe's defaults draw them: one wording, one positive, one negative, no text twice."""
    schedule = Schedule(mixture.column("task"), [""] * len(mixture), SamplingSettings(), SEED)
    chance, seen, found = random.Random(SEED), set[str](), 0  # noqa: S311 (a sample, no secret)
    for draws in schedule.batches():
        for example in mixture.examples([draw.row for draw in draws]):
            wordings = mixture.instructions_for(example)
            if not (wordings and example.negatives) or example.id in seen:
                continue
            pair = (chance.choice(example.positives), chance.choice(example.negatives).id)
            texts = mixture.documents(pair)
            keys = {example.id, *map(document_key, texts)}
            if len(keys) < 3 or keys & seen:
                continue
            seen |= keys
            yield _row(f"row-{found}", example.query, chance.choice(wordings), *texts)
            found += 1
            if found == count:
                return


def random_rows(words: Sequence[str], count: int) -> Iterator[tuple[Example, Document, Document]]:
    """Rows of random words with the lengths that a mixture of the open sets has: documents of 28 words (median)."""
    chance = random.Random(SEED)  # noqa: S311 (a sample, no secret)

    def text(median: float, sigma: float, longest: int) -> str:
        length = min(longest, max(3, round(median * math.exp(chance.gauss(0, sigma)))))
        return " ".join(chance.choice(words) for _ in range(length))

    for number in range(count):
        positive, negative = (Document(f"{number}-{side}", text(28, 1.2, 400)) for side in ("a", "b"))
        yield _row(f"row-{number}", text(8, 0.8, 100), text(9, 0.3, 16), positive, negative)


def _row(name: str, query: str, instruction: str, *pair: Document) -> tuple[Example, Document, Document]:
    positive, negative = (Document(f"{name}-{n}", each.text, each.title) for n, each in enumerate(pair))
    # As a hard one it is drawn at every turn.
    negatives = (Negative(negative.id, "hard"),)
    return Example(name, "bench", query, (positive.id,), negatives, (instruction,), "bench"), positive, negative


def write_rows(folder: Path, mixture: Path | None, base: str, count: int) -> None:
    """The rows that every variant reads, as a mixture of their own."""
    if mixture is not None:
        rows = mixed_rows(Mixture.open(mixture), count)
    else:
        vocabulary = read_tokenizer(open_base(base).path / "tokenizer.json").get_vocab()
        rows = random_rows(sorted(word for word in vocabulary if word.isalpha() and len(word) > 2), count)
    with MixtureWriter(folder) as writer:
        for example, *pair in rows:
            for document in pair:
                writer.add_document(document, "bench")
            writer.add(example)
        writer.finish({}, {"sets": {"bench": {"licence_class": "open"}}, "seed": SEED})


class Settings(NamedTuple):
    """What all subprocesses are told."""

    folder: str
    base: str
    device: str
    batch_size: int
    warmup: int
    steps: int
    threads: int

    @property
    def total(self) -> int:
        """Steps with those of the warm-up."""
        return self.warmup + self.steps

    @property
    def sampling(self) -> SamplingSettings:
        """One task, in an order of the seed."""
        return SamplingSettings(batch_size=self.batch_size, alpha=1.0, homogeneous=1.0)


def batches(mixture: Mixture, settings: Settings) -> list[list[Draw]]:
    """The batches of every step: all variants read the same ones."""
    schedule = Schedule(mixture.column("task"), [""] * len(mixture), settings.sampling, SEED)
    return [draws for _, draws in zip(range(settings.total), schedule.batches(), strict=False)]


# One variant, in a process of its own


def train_ours(variant: Variant, settings: Settings) -> list[float]:
    """Seconds of each step, from the run's own log."""
    from tart_train.dual import DualRun
    from tart_train.training_log import read_metrics

    recipe = DualRecipe(
        mixture=ROWS,
        steps=settings.total,
        base=settings.base,
        method="lora" if variant.method == "lora" else "full",
        grad_cache=OURS[variant.trainer],
        precision="float32" if variant.precision == "float32" else "bfloat16",
        lora=LORA,
        sampling=settings.sampling,
        inputs=LENGTHS,
        checkpoints=CheckpointSettings(minutes=0),
    )
    with tempfile.TemporaryDirectory(dir=settings.folder) as run:
        DualRun(recipe, Path(run), Path(settings.folder), device=settings.device, threads=settings.threads).train(
            fresh=True
        )
        rows = [row for row in read_metrics(Path(run)) if "loss" in row]
    expected = [int(sum(lengths)) for lengths in step_lengths(settings)]
    if [row["tokens"] for row in rows] != expected:
        raise RuntimeError(f"read {[row['tokens'] for row in rows]} tokens a step; the peers read {expected}")
    return [row["tokens"] / row["tokens_per_second"] for row in rows]


def train_peer(variant: Variant, settings: Settings) -> list[float]:
    """Seconds of each step of the plain trainer; all that is not named here is its default."""
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    from sentence_transformers import SentenceTransformerTrainingArguments as Arguments
    from sentence_transformers.losses import CachedMultipleNegativesRankingLoss, MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        """Notes when steps end."""

        def __init__(self) -> None:
            self.times: list[float] = []

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.times.append(time.monotonic())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.times.append(time.monotonic())

    model = SentenceTransformer(str(open_base(settings.base).path), device=settings.device)
    model.max_seq_length = min(LENGTHS.max_document_length, model.max_seq_length)
    if variant.method == "lora":
        from peft import LoraConfig

        model.add_adapter(LoraConfig(r=LORA.r, lora_alpha=LORA.alpha, target_modules=list(LORA.targets)))
    loss = CachedMultipleNegativesRankingLoss if PEERS[variant.trainer] else MultipleNegativesRankingLoss
    clock = Clock()
    with tempfile.TemporaryDirectory(dir=settings.folder) as run:
        arguments = Arguments(
            output_dir=run,
            max_steps=settings.total,
            per_device_train_batch_size=settings.batch_size,
            bf16=variant.precision == "bfloat16",
            use_cpu=settings.device == "cpu",
            batch_sampler=_in_order,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=SEED,
        )
        SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=texts(settings), loss=loss(model), callbacks=[clock]
        ).train()
    return np.diff(clock.times).tolist()


def _in_order(dataset: Any, batch_size: int, drop_last: bool, **_: Any) -> Any:
    """The rows as they stand."""
    from sentence_transformers.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler

    return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)


def texts(settings: Settings) -> Any:
    """Query under its instruction, positive, negative, as `tart train` renders them, each cut to its length."""
    from datasets import Dataset

    folder = open_base(settings.base)
    tokenizer = read_tokenizer(folder.path / "tokenizer.json")
    tokenizer.no_padding()
    limits = TextInputs(folder, folder.input_format, LENGTHS)

    def cut(text: str, length: int) -> str:
        tokenizer.enable_truncation(length)
        return text[: max(end for _, end in tokenizer.encode(text).offsets)]

    mixture = Mixture.open(Path(settings.folder) / ROWS)
    columns: dict[str, list[str]] = {"query": [], "positive": [], "negative": []}
    for draws in batches(mixture, settings):
        for example in mixture.examples([draw.row for draw in draws]):
            query = folder.input_format.render_query(example.query, Instruction(example.instructions[0]))
            columns["query"].append(cut(query, limits.max_query_length))
            pair = mixture.documents([example.positives[0], example.negatives[0].id])
            for name, document in zip(("positive", "negative"), pair, strict=True):
                text = folder.input_format.render_document(document)
                columns[name].append(cut(text, limits.max_document_length))
    return Dataset.from_dict(columns)


def step_lengths(settings: Settings) -> list[list[int]]:
    """Real tokens of every text of every step, special tokens counted, padding not."""
    folder = open_base(settings.base)
    inputs = TextInputs(folder, folder.input_format, LENGTHS)
    mixture = Mixture.open(Path(settings.folder) / ROWS)
    found = []
    for draws in batches(mixture, settings):
        examples = mixture.examples([draw.row for draw in draws])
        ids = [each for one in examples for each in (one.positives[0], one.negatives[0].id)]
        queries = inputs.queries([one.query for one in examples], [one.instructions[0] for one in examples])
        found.append([*queries.lengths.tolist(), *inputs.documents(mixture.documents(ids)).lengths.tolist()])
    return found


def product_peak(device: str) -> dict[str, float]:
    """FLOP/s of a matrix product of the model's own shape, the median of many, by number type."""
    import torch

    rows, inner, columns = PRODUCT
    found = {}
    for precision in NUMBERS:
        dtype = getattr(torch, precision)
        a, b = (torch.randn(shape, device=device).to(dtype) for shape in ((rows, inner), (inner, columns)))
        seconds = []
        for _ in range(25):
            started = time.perf_counter()
            a @ b
            if device != "cpu":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
        found[precision] = 2 * rows * inner * columns / float(np.median(seconds[5:]))
    return found


def memory() -> dict[str, float]:
    """GiB that this process holds, and held at most."""
    # Not ru_maxrss where it can be helped: Linux hands a parent's over at exec.
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        now, most = (int(lines[name].split()[0]) / 2**20 for name in ("VmRSS", "VmHWM"))
    else:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        now = most
    return {"now": now, "peak": most}


def work(task: str, settings: Settings) -> dict[str, Any]:
    """What a subprocess does: trains one variant, or measures the machine's matrix product."""
    import torch

    torch.set_num_threads(settings.threads)
    if task == "product":
        return product_peak(settings.device)
    variant = Variant(*json.loads(task))
    import sentence_transformers  # noqa: F401

    before = memory()["now"]
    seconds = (train_ours if variant.trainer in OURS else train_peer)(variant, settings)
    if len(seconds) != settings.total:
        raise RuntimeError(f"{variant.name}: timed {len(seconds)} steps; wanted {settings.total}")
    found = {"seconds": sum(seconds[settings.warmup :]), "peak_gib": memory()["peak"], "libraries_gib": before}
    if settings.device != "cpu":
        found["device_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return found


# All variants in turn


def asked(task: str, settings: Settings) -> dict[str, Any] | str:
    """A subprocess's answer, or the last line of its complaint."""
    command = [sys.executable, __file__, "--task", task, "--settings", json.dumps(settings)]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    if ended.returncode:
        return (ended.stderr.strip().splitlines() or [f"ended with {ended.returncode}"])[-1]
    found: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return found


def measure(
    chosen: Sequence[Variant], settings: Settings, rounds: int
) -> tuple[dict[Variant, list[dict[str, float]]], dict[str, list[float]], dict[Variant, str]]:
    """Every variant once a round, a variant that fails not again: its figures, the product's, the complaints."""
    found: dict[Variant, list[dict[str, float]]] = {variant: [] for variant in chosen}
    peaks: dict[str, list[float]] = {precision: [] for precision in NUMBERS}
    failed: dict[Variant, str] = {}
    for number in range(rounds):
        product = asked("product", settings)
        if isinstance(product, str):
            raise SystemExit(f"the matrix product: {product}")
        for precision, flops in product.items():
            peaks[precision].append(flops)
        for variant in (each for each in chosen if each not in failed):
            told = asked(json.dumps(variant), settings)
            print(f"round {number + 1} of {rounds}: {variant.name}: {told}", file=sys.stderr, flush=True)
            if isinstance(told, str):
                failed[variant] = told
            else:
                found[variant].append(told)
    return {variant: rows for variant, rows in found.items() if variant not in failed}, peaks, failed


def layer_parameters(base: str) -> tuple[int, int]:
    """Weights of the layers' matrices (no embeddings, biases, norms, pooler), and of their adapters."""
    import torch

    from tart_train.text_model import load_model, transformer_of

    layers = transformer_of(load_model(open_base(base), "cpu")).encoder.modules()
    shapes = [each.weight.shape for each in layers if isinstance(each, torch.nn.Linear)]
    return sum(a * b for a, b in shapes), sum(LORA.r * (a + b) for a, b in shapes)


def report(settings: Settings, rounds: int, wanted: str, precisions: Sequence[str], source: str) -> None:
    """Measures and writes."""
    chosen = variants(precisions, wanted)
    lengths = step_lengths(settings)
    timed = lengths[settings.warmup :]
    tokens = sum(map(sum, timed))
    found, peaks, failed = measure(chosen, settings, rounds)
    dense, adapters = layer_parameters(settings.base)
    peak = {precision: Spread.of(values) for precision, values in peaks.items()}
    rows, figures = [], {}
    for variant, told in found.items():
        speed = Spread.of([tokens / each["seconds"] for each in told])
        memory_used = Spread.of([each["peak_gib"] for each in told])
        best = _reference(variant, found)
        # A frozen weight needs no gradient of its own: two thirds of the products, and the adapters' three.
        needed = 6 * dense if variant.method == "full" else 4 * dense + 6 * adapters
        share, lean = (speed.median * each / peak[variant.precision].median for each in (6 * dense, needed))
        ratio = speed.median / (tokens / _median(found[best])) if best else None
        rows.append(
            [
                variant.name,
                f"{speed:,.0f}",
                f"{ratio:.2f}" if ratio else "-",
                f"{memory_used:.2f}",
                *([f"{max(each['device_gib'] for each in told):.2f}"] if settings.device != "cpu" else []),
                f"{100 * share:.0f} %",
                f"{100 * lean:.0f} %",
            ]
        )
        figures[variant.name] = {
            "tokens_per_second": speed._asdict(),
            "peak_gib": memory_used._asdict(),
            "ratio_to_mnrl_of_the_same_precision": ratio,
            "share_of_peak": share,
            "share_of_peak_needed": lean,
            "rounds": told,
        }
    header = ["", "tokens/s", "ratio to MNRL", "peak memory, GiB"]
    header += [*(["GPU, GiB"] if settings.device != "cpu" else []), "of the product's peak", "needed work alone"]
    longest = max(map(max, lengths))
    libraries = [each["libraries_gib"] for told in found.values() for each in told]
    padded = sum(
        settings.batch_size * max(part)
        for step in timed
        for part in (step[: settings.batch_size], step[settings.batch_size :: 2], step[settings.batch_size + 1 :: 2])
    )
    body = f"""Medians of {rounds} rounds in turn (range in brackets), every variant in a process of its own with
{settings.threads} threads: {settings.steps} steps after {settings.warmup} of warm-up, batches of
{settings.batch_size} queries under their instructions, each with one positive and one negative. {source} The batches
are the same for all: {tokens:,} real tokens in the timed steps, {tokens / len(timed):,.0f} a step, at most {longest} in
a text. Padding is not counted: a trainer that pads each column to its longest text reads {padded / tokens:.2f}
times as many.

{table(header, rows)}

- *Ratio to MNRL*: to the sentence-transformers trainer with MultipleNegativesRankingLoss, same number type and method.
- *Peak memory* is the process's resident peak (VmHWM); the libraries alone are {min(libraries, default=0):.2f} GiB.
- *Of the product's peak*: tokens/s x 6 x {dense / 1e6:.1f} million weights of the layers' matrices (2 FLOPs each
  forward, 4 backward; without embeddings, attention products, norms and GradCache's second forward pass) over the speed
  of a {" x ".join(map(str, PRODUCT))} matrix product in the same number type: {_gflops(peak, "float32")} in fp32,
  {_gflops(peak, "bfloat16")} in bf16. *Needed work alone* counts 4 instead of 6 for the frozen weights of LoRA, and 6
  for the {adapters / 1e6:.1f} million of its adapters.
- The plain trainer has its defaults: dropout, fused attention, trained embeddings in full fine-tuning (tart freezes
  them), PEFT layers beside the frozen ones (tart folds them in once a step). Its texts are cut to
  {LENGTHS.max_query_length} and {LENGTHS.max_document_length} tokens beforehand."""
    if failed:
        body += "\n\nFailed:\n\n" + "\n".join(f"- {variant.name}: `{why}`" for variant, why in failed.items())
    figures["product_flops"] = {precision: each._asdict() for precision, each in peak.items()}
    figures["settings"] = {**settings._asdict(), "folder": "", "rounds": rounds, "tokens": tokens}
    title = f"Training: tart against the sentence-transformers trainer, {settings.base}, {settings.device}"
    name = "throughput" if settings.device == "cpu" else f"throughput_{settings.device}"
    write(Path(__file__).parent, title, body, figures, name, ("accelerate", "peft", "datasets"))


def _reference(variant: Variant, found: dict[Variant, list[dict[str, float]]]) -> Variant | None:
    plain = variant._replace(trainer=next(iter(PEERS)))
    return plain if plain in found else None


def _median(told: Sequence[dict[str, float]]) -> float:
    return Spread.of([each["seconds"] for each in told]).median


def _gflops(peak: dict[str, Spread], precision: str) -> str:
    return f"{peak[precision].median / 1e9:,.0f} GFLOP/s"


def main() -> None:
    """Measures and writes the report; with --task, does a subprocess's part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mixture", type=Path, help="rows are drawn from it; random words without one")
    parser.add_argument("--base", default="all-MiniLM-L6-v2")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--steps", type=int, default=6, help="timed steps")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=available_cpus())
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precisions", nargs="+", choices=NUMBERS, default=list(NUMBERS))
    parser.add_argument("--only", default="", help="variants whose name holds this, for example ', lora, bf16'")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--settings", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(work(given.task, Settings(*json.loads(given.settings)))))
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            folder, given.base, given.device, given.batch_size, given.warmup, given.steps, given.threads
        )
        write_rows(Path(folder) / ROWS, given.mixture, given.base, settings.total * settings.batch_size)
        source = "Rows are those of a mixture." if given.mixture else "Rows are random words of a mixture's lengths."
        report(settings, given.rounds, given.only, given.precisions, source)


if __name__ == "__main__":
    main()
