from __future__ import annotations

import json
import sys

import faiss
import pytest
import torch
from click.testing import CliRunner

from tart.engines import Hardware
from tart_index.doctor import examine
from tart_index.doctor_cli import doctor


def test_says_what_is_used() -> None:
    findings = examine()
    chosen = Hardware.choose()
    assert findings["used"] == {
        "engine": "packed BERT",
        "device": chosen.device,
        "dtype": chosen.dtype,
        "threads": chosen.threads,
        "faiss processor level": faiss.SIMDConfig.get_level_name(),
    }
    assert findings["torch"]["version"] == torch.__version__
    assert findings["model"]["engine"] == "packed BERT"
    assert not any("problem" in rows for rows in findings.values())


def test_prints_rows_and_json() -> None:
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 0
    assert f"used       device                            {Hardware.choose().device}" in result.output
    assert json.loads(CliRunner().invoke(doctor, ["--json"]).output)["used"]["threads"] >= 1


def test_a_missing_faiss_is_a_problem_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 1
    assert "pip install 'tart-retrieval[cpu]'" in result.output


def test_a_missing_model_is_a_problem() -> None:
    result = CliRunner().invoke(doctor, ["--model", "nothing"])
    assert result.exit_code == 1
    assert "no model 'nothing'" in result.output


def test_two_wheels_of_faiss_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tart_index.doctor._version", lambda name: "1.15")
    assert "install exactly one" in examine()["faiss"]["problem"]


def test_says_what_limits_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("tart_index.doctor.allowed_cpus", lambda: 3)
    assert examine()["processor"]["limited by"] == ["affinity: 8", "control group (cgroup): 3"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("RAYON_NUM_THREADS", "2")
    assert examine()["processor"]["limited by"][2:] == [
        "OMP_NUM_THREADS=1 (not heeded; say --threads)",
        "RAYON_NUM_THREADS=2 (of the tokenizer)",
    ]


def test_tells_memory_and_disk_that_are_free() -> None:
    memory = examine()["memory"]
    assert 0 < memory["memory free, GiB"] <= memory["memory, GiB"]
    assert memory["memory limited by"] in ("the machine", "the control group (cgroup)")
    for place in ("here", "models of the hub", "temporary files"):
        assert memory[f"disk free, {place}, GiB"] > 0
