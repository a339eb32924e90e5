"""The plug-in for mteb: what it makes of batches, and a whole task where mteb is installed."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tart import Document, Encoder
from tart_train.evaluation.mteb_model import MtebModel
from tests.index.counting import counting_encoder

QUERY, DOCUMENT = SimpleNamespace(value="query"), SimpleNamespace(value="document")


@pytest.fixture(scope="module")
def counting() -> Encoder:
    return counting_encoder()


def task(prompt: Any = None, name: str = "Fruit") -> SimpleNamespace:
    return SimpleNamespace(name=name, prompt=prompt)


def test_documents_are_rendered_by_the_models_own_format(counting: Encoder) -> None:
    batches = [
        {"text": ["Apple red fruit", "pear"], "title": ["Apple", None], "body": ["red fruit", "pear"]},
        {"text": ["plum", " "]},
    ]
    found = MtebModel(counting).encode(batches, task_metadata=task("ignored"), prompt_type=DOCUMENT)
    texts = [Document("0", "red fruit", "Apple"), Document("1", "pear"), Document("2", "plum"), Document("3", "-")]
    assert (found == counting.encode_documents(texts)).all()


@pytest.mark.parametrize(
    ("prompt", "given", "instruction"),
    [
        ("find the fruit", {}, "find the fruit"),
        ({"query": "find the fruit", "document": "x"}, {}, "find the fruit"),
        ({"document": "x"}, {}, ""),
        (None, {}, ""),
        ("find the fruit", {"Fruit": "which one"}, "which one"),
        ("find the fruit", {"Fruit": ""}, ""),
    ],
)
def test_queries_are_asked_under_the_tasks_instruction(
    counting: Encoder, prompt: Any, given: dict[str, str], instruction: str
) -> None:
    batches = [{"text": ["red", "green"], "query": ["red", "green"]}]
    for side in (QUERY, None):
        found = MtebModel(counting, given).encode(batches, task_metadata=task(prompt), prompt_type=side, batch_size=1)
        assert (found == counting.encode_queries(["red", "green"], [instruction] * 2)).all()


def test_a_rows_own_instruction_wins(counting: Encoder) -> None:
    batches = [{"text": ["red no pears", "green"], "query": ["red", "green"], "instruction": ["no pears", None]}]
    found = MtebModel(counting).encode(batches, task_metadata=task("find"), prompt_type=QUERY)
    assert (found == counting.encode_queries(["red", "green"], ["no pears", "find"])).all()


def test_similarities_are_cosines(counting: Encoder) -> None:
    model = MtebModel(counting)
    vectors = counting.encode_queries(["red apple", "apple", "plum"])
    assert np.asarray(model.similarity(vectors, vectors)) == pytest.approx(vectors @ vectors.T)
    assert np.asarray(model.similarity_pairwise(vectors, vectors)) == pytest.approx(np.ones(3))


@pytest.mark.skipif(importlib.util.find_spec("mteb") is None, reason="mteb is not installed")
@pytest.mark.filterwarnings("default")  # mteb and what it imports have warnings of their own.
def test_mteb_runs_a_local_task(counting: Encoder) -> None:
    import mteb
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models import EncoderProtocol

    class Fruit(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="Fruit",
            description="Three fruit",
            reference=None,
            dataset={"path": "none", "revision": "none"},
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            date=None,
            domains=[],
            task_subtypes=[],
            license=None,
            annotations_creators=None,
            dialect=[],
            sample_creation=None,
            bibtex_citation="",
            prompt={"query": "find the fruit"},
        )

        def load_data(self, **_: Any) -> None:
            texts = ["red apple", "green pear", "blue plum"]
            split = {
                "corpus": Dataset.from_dict({"id": ["a", "b", "c"], "text": texts, "title": ["", "", "Plum"]}),
                "queries": Dataset.from_dict({"id": ["q", "r"], "text": ["apple", "plum"]}),
                "relevant_docs": {"q": {"a": 1}, "r": {"c": 1}},
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    model = MtebModel(counting)
    assert isinstance(model, EncoderProtocol)
    result = mteb.evaluate(model, Fruit(), cache=None, co2_tracker=False, show_progress_bar=False)
    assert result.model_name == "tart/all-MiniLM-L6-v2"
    assert result.task_results[0].get_score() == pytest.approx(1)
