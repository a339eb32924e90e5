"""Real judged sets, where they lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tart import Encoder
from tart_train.evaluation import EvaluationSettings, evaluate
from tart_train.evaluation.judged_set import open_sets
from tart_train.evaluation.write import write_evaluation

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no judged retrieval data beside this checkout")


def test_the_base_finds_answers_in_real_sets(encoder: Encoder, tmp_path: Path) -> None:
    sets = open_sets([DATA / "dev" / "covid_faq", DATA / "dev" / "stackfaq"])
    settings = EvaluationSettings(paraphrases=2, limit_queries=20, resamples=100, run_files="none")
    evaluation = evaluate(encoder, sets, out=tmp_path, settings=settings)
    report = write_evaluation(evaluation, tmp_path)
    figures = report["mean"]
    # Measured over all queries: 0.80 and 0.96 bare.
    assert figures["bare"]["closed"]["ndcg@10"]["value"] > 70
    assert figures["bare"]["closed"]["recall@100"]["value"] > 99
    assert figures["right"]["pooled"]["ndcg@10"]["value"] <= figures["right"]["closed"]["ndcg@10"]["value"]
    assert {one["instructions"]["wrong_from"] for one in report["sets"].values()} <= {"covid_faq", "stackfaq", ""}
