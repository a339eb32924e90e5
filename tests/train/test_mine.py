"""`tart data mine` and `tart data contrast` from end to end, on small sets and a hashing encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tart.errors import TartError
from tart_train.contrast_cli import contrast
from tart_train.dataset import RetrievalSet
from tart_train.hold_out import HoldOut
from tart_train.mine import MiningSettings, mine, sampled_sets
from tart_train.mine_cli import mine as mine_command
from tart_train.mine_cli import set_folders
from tart_train.mixture import Mixture
from tart_train.vector_cache import VectorCache
from tests.train.mining_sets import WordEncoder, write_set

ASPECTS = ("symptoms", "treatment", "outlook", "prevention")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    documents, queries, judged = {}, {}, []
    for number in range(40):
        topic = f"illness {number}"
        for aspect in ASPECTS:
            key, metadata = f"{number}-{aspect}", {"focus": topic, "qtype": aspect}
            documents[f"d{key}"] = {"text": f"{aspect} {topic} described at length", "metadata": metadata}
            queries[f"q{key}"] = {"text": topic, "metadata": metadata}
            judged += [(f"q{key}", f"d{number}-{each}", int(each == aspect)) for each in ASPECTS]
    write_set(root, "medquad_facets", documents, queries, judged, facet_field="qtype")
    trees = {
        f"t{n}": f"tree number {n} has leaves." + " It is old and 7 feet high. So it is." * (n % 2) for n in range(8)
    }
    write_set(
        root,
        "trees",
        trees,
        {"q0": "tree leaves", "q1": "tree 3"},
        [("q0", f"t{n}", 1) for n in range(4)] + [("q1", "t3", 1)],
    )
    write_set(root, "closed", {"c0": "tree secrets"}, {"q0": "tree"}, [("q0", "c0", 1)], licence_class="none", unit="x")
    return root


def run(data: Path, out: Path, settings: MiningSettings | None = None, overwrite: bool = False) -> Mixture:
    cache = VectorCache(out.parent / "vectors", WordEncoder())
    return mine(set_folders((data,)), out, cache, settings, model="words", overwrite=overwrite)


def test_a_mixture_holds_the_rows_of_open_sets_and_what_they_name(data: Path, tmp_path: Path) -> None:
    mixture = run(data, tmp_path / "m")
    assert set(mixture.card["sets"]) == {"medquad_facets", "trees"}
    assert mixture.card["sets"]["trees"]["licence_class"] == "open"
    tasks = set(mixture.column("task"))
    assert {"trees", "facet"} <= tasks
    assert "medquad_facets" not in tasks
    assert len(mixture.instructions["trees"]) == 8
    assert "medquad_facets" not in mixture.instructions
    counted: dict[str, int] = {}
    for row in mixture:
        mixture.documents([*row.positives, *(negative.id for negative in row.negatives)])
        assert mixture.instructions_for(row)
        for negative in row.negatives:
            counted[negative.kind] = counted.get(negative.kind, 0) + 1
    assert counted == mixture.card["negatives"]
    assert mixture.card["settings"]["licences"] == ["open"]


def test_the_same_seed_gives_the_same_rows(data: Path, tmp_path: Path) -> None:
    first, second = run(data, tmp_path / "m"), run(data, tmp_path / "n")
    assert list(first) == list(second)
    assert list(first) == list(run(data, tmp_path / "m", overwrite=True))


def test_nothing_of_training_is_in_a_contrast_set(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tart_train.contrast_sets.PACKAGES", frozenset({"click", "surely_not_installed"}))
    mixture = run(data, tmp_path / "m", MiningSettings(licences=frozenset({"open", "none"})))
    trained = {text for row in mixture for text in row.instructions}
    shown = {
        document.text
        for row in mixture
        for document in mixture.documents([*row.positives, *(one.id for one in row.negatives)])
    }
    done = CliRunner().invoke(contrast, [str(data), "--out", str(tmp_path / "c"), "--groups", "9"])
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "c").iterdir()}
    assert names == {"facets_new_aspects", "facets_new_topics", "code_click"}
    hold_out = HoldOut()
    for name in ("facets_new_aspects", "facets_new_topics"):
        one = RetrievalSet.open(tmp_path / "c" / name)
        documents = {document.id: document for document in one.documents()}
        qrels = one.qrels()
        for query in one.queries():
            assert query.group
            assert query.instruction not in trained
            grades = qrels[query.id]
            assert set(grades.values()) == {0, 1}
            for document_id in grades:
                metadata = documents[document_id].metadata
                if name == "facets_new_topics":
                    assert hold_out.topic(metadata)
                    assert not hold_out.aspect(metadata)
                if hold_out(metadata):
                    assert documents[document_id].text not in shown
    card = json.loads((tmp_path / "c" / "facets_new_aspects" / "card.json").read_text())
    assert card["n_groups"] == 9


def test_refuses_what_cannot_be_mined(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TartError, match="none with a licence of class open"):
        sampled_sets([data / "closed"], MiningSettings())
    with pytest.raises(TartError, match="a second set named 'trees'"):
        sampled_sets([data / "trees", data / "trees"], MiningSettings())
    with pytest.raises(TartError, match="no such folder"):
        sampled_sets([data / "nowhere"], MiningSettings())
    with pytest.raises(TartError, match="licence classes"):
        MiningSettings(licences=frozenset({"free"}))
    assert not (tmp_path / "m").exists()


def test_the_commands(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tart.encoder import Encoder

    monkeypatch.setattr(Encoder, "load", lambda *_, **__: WordEncoder())
    out = str(tmp_path / "m")
    done = CliRunner().invoke(mine_command, [str(data), "--out", out, "--no-contrasts", "--no-constraints"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{out}: 2 examples")
    done = CliRunner().invoke(mine_command, [str(data), "--out", out, "--overwrite", "--json", "--groups", "10"])
    card = json.loads(done.output)
    assert "files" not in card
    assert card["tasks"]["facet"] > 1
    done = CliRunner().invoke(mine_command, [str(data), "--out", out])
    assert isinstance(done.exception, TartError)
    with pytest.raises(TartError, match="none of these sets makes a contrast"):
        _contrast_without_packages(data, tmp_path, monkeypatch)


def _contrast_without_packages(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tart_train.contrast_sets.PACKAGES", frozenset())
    done = CliRunner().invoke(contrast, [str(data / "trees"), "--out", str(tmp_path / "x")])
    if done.exception is not None:
        raise done.exception
