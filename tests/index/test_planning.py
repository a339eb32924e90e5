"""Plans: what they count, what they estimate, what they refuse."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tart import Document, Encoder
from tart.errors import IndexFolderError, SourceError
from tart_index import BuildOptions, Corpus, IndexFolder, build_index
from tart_index.ann.choose import Wanted, estimated_bytes
from tart_index.builder import survey_build
from tart_index.changes import add_documents, compact, delete_documents, survey_change
from tart_index.cli import index
from tart_index.planning import plan as plan_module
from tart_index.planning.machine import FreeMemory, free_disk, free_memory, peak_resident, resident
from tart_index.planning.outcome import Watch
from tart_index.planning.plan import Plan, Stage
from tart_index.planning.plans import plan_build, plan_compact, plan_import, plan_tune
from tart_index.planning.sizes import VectorLayout, memory_of
from tart_index.planning.speed import measure_speed
from tart_index.planning.structure import structure_need
from tart_index.planning.survey import SAMPLE, Survey, survey_documents
from tart_index.planning.words import duration, durations, size
from tests.index.clustered import clustered, write_index
from tests.index.counting import CountingEngine
from tests.index.crashes import crashing

GIB = 2**30


def made_up(count: int, first: int = 0) -> list[Document]:
    """Documents of mixed lengths, alphabets and metadata."""
    rng = random.Random(0)
    words = ["word", "größer", "文書", "index", "search"]
    return [
        Document(
            f"d{first + number}",
            " ".join(rng.choices(words, k=rng.randint(1, 40))) + f" {first + number}",
            f"Title {number}" if number % 3 else "",
            {"year": 1990 + number % 30, "tags": ["a", "bc"]} if number % 2 else {"venue": "Größe", "score": 0.5},
        )
        for number in range(count)
    ]


def corpus_of(documents: Sequence[Document], *, rereadable: bool = True) -> Corpus:
    read = Corpus.from_documents("made up", lambda: iter(documents))
    return Corpus(read.names, read.read, rereadable)


def bytes_under(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what memory and disk there seem to be."""

    def have(*, memory: int = 64 * GIB, disk: int = 64 * GIB) -> None:
        monkeypatch.setattr(plan_module, "free_memory", lambda: FreeMemory(memory, "the machine"))
        monkeypatch.setattr(plan_module, "free_disk", lambda path: disk)

    have()
    return have


# --- the survey


def test_a_survey_counts_documents_and_bytes() -> None:
    documents = made_up(100)
    survey = survey_documents(documents, 40)
    sizes = [len((d.id + d.title + d.text).encode()) for d in documents]
    assert (survey.documents, survey.stored, survey.text_bytes) == (100, 0, sum(sizes))
    assert survey.largest_part == max(sum(sizes[:40]), sum(sizes[40:80]), sum(sizes[80:]))
    assert [one.document for one in survey.sample] == documents
    assert survey.count_of("embed") == 100


def test_a_sample_is_drawn_from_everywhere() -> None:
    """Documents alternate between two kinds: a sample of every second one would see only one of them."""
    documents = [Document(f"{number}", "code" if number % 2 else "documentation") for number in range(20_000)]
    sample = survey_documents(documents, 4_096).sample
    assert len(sample) == SAMPLE
    assert 0.4 < sum(one.document.text == "code" for one in sample) / SAMPLE < 0.6
    numbers = np.array([int(one.document.id) for one in sample])
    assert 0.4 < (numbers < 10_000).mean() < 0.6


def test_a_survey_of_a_build_knows_what_stands(tmp_path: Path, counting: Encoder) -> None:
    documents, options = made_up(30), BuildOptions(part_size=10)
    build_index(corpus_of(documents), tmp_path / "i", counting, options)
    same = survey_build(corpus_of(documents), tmp_path / "i", counting, options)
    assert same is not None
    assert (same.documents, same.stored, same.text_bytes) == (30, 30, 0)
    # One document more at the front: every part is another, every vector but one is known.
    shifted = survey_build(corpus_of([*made_up(1, first=99), *documents]), tmp_path / "i", counting, options)
    assert shifted is not None
    assert (shifted.stored, shifted.count_of("embed"), shifted.count_of("copy")) == (0, 1, 30)


def test_parts_of_a_killed_build_are_known(tmp_path: Path, counting: Encoder) -> None:
    documents, options = made_up(30), BuildOptions(part_size=10)
    with crashing(at=30):
        build_index(corpus_of(documents), tmp_path / "i", counting, options)
    finished = sum(not part.suffix for part in (tmp_path / "i" / "parts").iterdir())
    survey = survey_build(corpus_of(documents), tmp_path / "i", counting, options)
    assert survey is not None
    assert 0 < finished < 3
    assert (survey.stored, survey.count_of("embed")) == (10 * finished, 30 - 10 * finished)


def test_a_survey_of_an_addition_knows_what_is_there(tmp_path: Path, counting: Encoder) -> None:
    documents = made_up(20)
    build_index(corpus_of(documents), tmp_path / "i", counting)
    renamed = [Document(f"new {d.id}", d.text, d.title) for d in documents[:4]]
    survey = survey_change(
        tmp_path / "i", corpus_of([*documents, *renamed, *made_up(6, first=50)]), counting, "replace"
    )
    assert survey is not None
    assert (survey.count_of("leave"), survey.count_of("copy"), survey.count_of("embed")) == (20, 4, 6)
    changed = [Document("d3", "another text")]
    for on_existing, fate in (("skip", "leave"), ("replace", "embed")):
        found = survey_change(tmp_path / "i", corpus_of(changed), counting, on_existing)  # type: ignore[arg-type]
        assert found is not None
        assert [one.fate for one in found.sample] == [fate]


def test_standard_input_is_not_surveyed(tmp_path: Path, counting: Encoder) -> None:
    once = corpus_of(made_up(5), rereadable=False)
    assert survey_build(once, tmp_path / "i", counting) is None
    assert not (tmp_path / "i").exists()
    build_index(once, tmp_path / "i", counting)
    assert survey_change(tmp_path / "i", once, counting, "skip") is None


def test_an_empty_corpus_is_an_error_before_anything_is_written(tmp_path: Path, counting: Encoder) -> None:
    with pytest.raises(SourceError, match="it is empty"):
        survey_build(corpus_of([]), tmp_path / "i", counting)


# --- estimates


@pytest.mark.parametrize(("count", "part_size"), [(1, 4_096), (300, 64), (900, 4_096)])
def test_the_disk_of_a_build_is_foreseen(
    tmp_path: Path, counting: Encoder, count: int, part_size: int, roomy: object
) -> None:
    documents, options = made_up(count), BuildOptions(part_size=part_size)
    survey = survey_documents(documents, part_size)
    plan = plan_build(survey, tmp_path / "i", counting, VectorLayout(counting.dim), part_size)
    build_index(corpus_of(documents), tmp_path / "i", counting, options)
    assert plan.disk == pytest.approx(bytes_under(tmp_path / "i"), rel=0.05, abs=1_000)


def test_the_disk_follows_the_layout_of_the_vectors(tmp_path: Path, counting: Encoder, roomy: object) -> None:
    survey = survey_documents(made_up(500), 4_096)
    full, half = (plan_build(survey, tmp_path, counting, VectorLayout(384, size), 4_096) for size in (4, 2))
    assert full.disk - half.disk == 500 * 384 * 2


def test_the_disk_of_an_addition_is_that_of_what_is_new(tmp_path: Path, counting: Encoder, roomy: object) -> None:
    build_index(corpus_of(made_up(200)), tmp_path / "i", counting)
    corpus = corpus_of([*made_up(200), *made_up(300, first=500)])
    plans: list[Plan] = []
    watches: list[Watch] = []

    def approve(survey: Survey) -> None:
        plans.append(plan_build(survey, tmp_path / "i", counting, VectorLayout(counting.dim), 4_096))
        watches.append(Watch(plans[0]))

    add_documents(tmp_path / "i", corpus, counting, approve=approve)
    assert plans[0].disk == pytest.approx(watches[0].outcome().disk, rel=0.08)


def test_the_disk_of_a_compaction_is_that_of_parts_that_are_not_full(tmp_path: Path, roomy: object) -> None:
    path = tmp_path / "i"
    write_index(path, clustered(1_000, 16, 0), part_size=200)
    write_index(path, clustered(150, 16, 1), part_size=50)
    delete_documents(path, [str(number) for number in range(450, 500)])
    plan = plan_compact(IndexFolder.open(path), 200)
    watch = Watch(plan)
    compact(path, part_size=200)
    # The two first parts are full and stay.
    assert plan.work.startswith("700 of 1,100 documents rewritten")
    assert plan.disk == pytest.approx(watch.outcome().disk, rel=0.1)
    again = plan_compact(IndexFolder.open(path), 200)
    assert again.disk < plan.disk


def test_memory_grows_with_the_part_and_not_with_the_corpus() -> None:
    small, large, longer = (
        memory_of(survey_documents(made_up(count), part_size), VectorLayout(384), part_size)
        for count, part_size in ((1_000, 100), (2_000, 100), (2_000, 1_000))
    )
    assert large - small == 64 * 1_000
    assert longer > large


def test_long_texts_need_memory_to_be_tokenised() -> None:
    survey = survey_documents([Document(str(number), "word " * 1_000) for number in range(100)], 100)
    cut, uncut = (memory_of(survey, VectorLayout(384), 100, max_length) for max_length in (64, 8_192))
    assert cut - memory_of(survey, VectorLayout(384), 100) == 50 * 100 * 64 * 16
    assert uncut - cut == 50 * (survey.text_bytes - 100 * 64 * 16)


def test_the_speed_is_measured_on_a_small_share(counting: Encoder, engine: CountingEngine) -> None:
    survey = survey_documents(made_up(800), 4_096)
    speed = measure_speed(counting, survey)
    documents = [one.document for one in survey.sample]
    assert speed.tokens == len(counting.tokenize_documents(documents).ids)
    assert speed.seconds == speed.tokens / speed.per_second > 0
    assert 0 < engine.texts < 800 / 4


def test_nothing_is_measured_where_nothing_is_embedded(
    tmp_path: Path, counting: Encoder, engine: CountingEngine, roomy: object
) -> None:
    build_index(corpus_of(made_up(20)), tmp_path / "i", counting)
    before = engine.texts
    survey = survey_build(corpus_of(made_up(20)), tmp_path / "i", counting)
    assert survey is not None
    plan = plan_build(survey, tmp_path / "i", counting, VectorLayout(counting.dim), 4_096)
    assert (engine.texts, plan.disk) == (before, 0)
    assert plan.work == "20 documents: 20 there already"


def test_a_structure_adds_its_stages_its_memory_and_its_file(tmp_path: Path, counting: Encoder, roomy: object) -> None:
    survey = survey_documents(made_up(500), 4_096)
    layout = VectorLayout(counting.dim)
    bare = plan_build(survey, tmp_path, counting, layout, 4_096)
    wanted = Wanted(factory="IVF16,SQ8", queries=20)
    plan = plan_build(survey, tmp_path, counting, layout, 4_096, wanted)
    assert plan.disk - bare.disk == estimated_bytes("IVF16,SQ8", 500, counting.dim)
    assert [stage.name for stage in plan.stages[1:]] == ["exact neighbours", "training", "adding", "tuning"]
    assert plan.work.endswith("; then IVF16,SQ8")


def test_a_structure_needs_time_that_grows_with_the_rows() -> None:
    few, many = (
        structure_need(rows, VectorLayout(16), Wanted(factory="IVF64,PQ4x4fs", queries=20)) for rows in (10**5, 10**7)
    )
    assert few is not None
    assert many is not None
    assert sum(stage.most for stage in many.stages) > 5 * sum(stage.most for stage in few.stages)
    assert many.memory > 10**7 * (2 + 8)


def test_a_bad_factory_string_is_found_before_anything_is_embedded(tmp_path: Path, counting: Encoder) -> None:
    survey = survey_documents(made_up(5), 4_096)
    with pytest.raises(IndexFolderError, match="cannot make 'IVF16,Nothing'"):
        plan_build(survey, tmp_path, counting, VectorLayout(32), 4_096, Wanted(factory="IVF16,Nothing"))


def test_a_version_that_needs_no_structure_has_a_plan_that_says_so(tmp_path: Path, roomy: object) -> None:
    folder = write_index(tmp_path / "i", clustered(300, 16, 0))
    plan = plan_tune(folder, Wanted(), VectorLayout(16))
    assert (plan.work, plan.disk, plan.stages) == ("300 vectors of 16: exact search, no structure", 0, ())


def test_an_import_is_planned(tmp_path: Path, roomy: object) -> None:
    plan = plan_import(survey_documents(made_up(300), 100), tmp_path, VectorLayout(32), 100)
    assert plan.work.startswith("300 documents (")
    assert plan.disk > 300 * 32 * 4


# --- refusals


def planned(**changes: Any) -> Plan:
    values = {
        "path": Path("i"),
        "work": "w",
        "stages": (Stage("embedding", 60, 120), Stage("tuning", 3, 4)),
        "memory": GIB,
        "disk": GIB,
        "memory_there": 2 * GIB,
        "memory_limit": "the machine",
        "disk_there": 2 * GIB,
    }
    return Plan(**{**values, **changes})


def test_a_shortage_says_what_is_needed_and_what_is_there() -> None:
    planned().refuse_shortage()
    with pytest.raises(IndexFolderError, match=r"about 3.0 GiB of disk are needed, 2.0 GiB are free; free some space"):
        planned(disk=3 * GIB).refuse_shortage()
    with pytest.raises(
        IndexFolderError, match=r"about 3.0 GiB of memory are needed, 2.0 GiB can be had of the machine"
    ):
        planned(memory=3 * GIB).refuse_shortage()


def test_lines_and_json_hold_the_same() -> None:
    plan = planned()
    assert plan.lines() == [
        "plan    w",
        "time    about 63 s to 2 min (embedding 60 s to 2 min, tuning 3 s to 4 s)",
        "memory  about 1.0 GiB; 2.0 GiB can be had of the machine",
        "disk    about 1.0 GiB; 2.0 GiB are free",
    ]
    body = json.loads(json.dumps(plan.as_json()))
    assert (body["least_seconds"], body["most_seconds"], body["memory"], body["disk"]) == (63, 124, GIB, GIB)
    assert body["stages"][1] == {"name": "tuning", "least": 3, "most": 4}


def test_times_and_sizes_in_words() -> None:
    assert [duration(seconds) for seconds in (0.2, 89, 120, 5_400)] == ["1 s", "89 s", "2 min", "1.5 h"]
    assert durations(61, 61.2) == "61 s"
    assert [size(count) for count in (512, 2**20, 300 * 2**20, 5 * 2**50)] == [
        *("0.5 KiB", "1.0 MiB", "300 MiB", "5,120 TiB"),
    ]


# --- the machine


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


MEMINFO = "MemTotal: 100 kB\nMemAvailable:   4000 kB\n"


def test_memory_is_what_the_machine_has_left(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"})
    assert free_memory(root) == (4_096_000, "the machine")


def test_memory_is_capped_by_every_control_group_above(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/slice/unit\n",
        "sys/fs/cgroup/slice/unit/memory.max": "max\n",
        "sys/fs/cgroup/slice/unit/memory.current": "500000\n",
        "sys/fs/cgroup/slice/memory.max": "1000000\n",
        "sys/fs/cgroup/slice/memory.current": "600000\n",
        "sys/fs/cgroup/slice/memory.stat": "anon 200000\ninactive_file 300000\nactive_file 50000\n",
    }
    assert free_memory(tree(tmp_path, files)) == (1_000_000 - 250_000, "the control group (cgroup)")


def test_memory_is_capped_in_a_container_and_by_version_1(tmp_path: Path) -> None:
    inside = {"proc/self/cgroup": "0::/../outside\n", "sys/fs/cgroup/memory.max": "900000\n"}
    root = tree(tmp_path / "a", {"proc/meminfo": MEMINFO, **inside, "sys/fs/cgroup/memory.current": "950000\n"})
    assert free_memory(root).bytes == 0
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "4:cpu,memory:/docker/x\n1:name=systemd:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "800000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "700000\n",
        "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 400000\n",
    }
    assert free_memory(tree(tmp_path / "b", files)).bytes == 500_000


def test_a_machine_without_proc_has_its_physical_memory(tmp_path: Path) -> None:
    assert free_memory(tmp_path).bytes > 2**26


def test_this_process_and_this_disk(tmp_path: Path) -> None:
    assert 2**24 < resident() <= peak_resident() * 1.1
    assert free_disk(tmp_path / "not" / "there") > 0


# --- the commands


def tart_index(*arguments: object) -> Result:
    return CliRunner().invoke(index, [str(one) for one in arguments])


@pytest.fixture
def corpus_file(write_jsonl: Callable[..., Path], counting: Encoder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve documents, and commands that embed with the cheap encoder."""
    monkeypatch.setattr(Encoder, "load", lambda *_, **__: counting)
    return write_jsonl(made_up(12))


def test_a_build_shows_its_plan_and_what_it_took(corpus_file: Path, tmp_path: Path) -> None:
    dry = tart_index("build", corpus_file, "--out", tmp_path / "i", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert dry.stdout.startswith("plan    12 documents: 12 to embed (about ")
    assert not (tmp_path / "i").exists()
    built = tart_index("build", corpus_file, "--out", tmp_path / "i")
    assert built.stderr.startswith("plan    12 documents: 12 to embed")
    assert "\ntook " in built.stderr
    assert built.stdout.startswith(f"{tmp_path / 'i'}: 12 documents, version 1")
    added = tart_index("upsert", tmp_path / "i", corpus_file, "--dry-run", "--json")
    assert json.loads(added.stdout)["plan"]["work"] == "12 documents: 12 there already"
    assert tart_index("delete", tmp_path / "i", "d3").exit_code == 0
    body = json.loads(tart_index("compact", tmp_path / "i", "--json").output)
    assert body["plan"]["work"].startswith("11 of 11 documents rewritten")
    assert body["taken"]["disk"] == pytest.approx(body["plan"]["disk"], rel=0.5)


@pytest.mark.parametrize(("shortage", "word"), [({"disk": 1_000}, "disk"), ({"memory": 1_000}, "memory")])
def test_too_little_is_refused_before_anything_is_embedded(
    corpus_file: Path, tmp_path: Path, roomy: Callable[..., None], shortage: dict[str, int], word: str
) -> None:
    roomy(**shortage)
    command = ("build", corpus_file, "--out", tmp_path / "i")
    for refused in (tart_index(*command), tart_index(*command, "--dry-run")):
        assert isinstance(refused.exception, IndexFolderError)
        assert f"of {word} are needed" in str(refused.exception)
        assert "--despite-shortage" in str(refused.exception)
    assert not (tmp_path / "i" / "manifest.json").exists()
    assert tart_index(*command, "--despite-shortage").exit_code == 0


def test_other_commands_refuse_too(tmp_path: Path, roomy: Callable[..., None]) -> None:
    path = tmp_path / "i"
    write_index(path, clustered(600, 32, 0))
    roomy(disk=1_000)
    tuning = ("tune", path, "--structure", "IVF8,SQ8", "--sample", "20", "--threads", "1")
    for command in (("compact", path, "--part-size", "1000"), tuning):
        assert "of disk are needed" in str(tart_index(*command).exception)
        assert IndexFolder.open(path).manifest.version == 1
    roomy()
    shown = tart_index(*tuning, "--dry-run").stdout
    assert shown.startswith("plan    600 vectors of 32: IVF8,SQ8, recall 0.95")
    assert IndexFolder.open(path).manifest.structure is None


def test_an_import_is_planned_from_its_corpus(corpus_file: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((12, 32), dtype=np.float32))
    command = ("import", corpus_file, "--vectors", tmp_path / "v.npy", "--out", tmp_path / "i", "--trust", "--json")
    body = json.loads(tart_index(*command, "--dry-run").output)
    assert not (tmp_path / "i").exists()
    done = json.loads(tart_index(*command).output)
    assert done["plan"]["disk"] == body["plan"]["disk"] == pytest.approx(done["taken"]["disk"], rel=0.1)


def test_standard_input_has_no_plan(corpus_file: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(index, ["build", "-", "--out", str(tmp_path / "i"), "--dry-run"], input="")
    assert "no plan" in result.output
    assert not (tmp_path / "i").exists()
