"""The audit of dependencies: what it says, and when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

AUDIT = Path(__file__).parents[1] / ".ci" / "audit.py"


@pytest.fixture
def audit() -> ModuleType:
    spec = spec_from_file_location("audit", AUDIT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(*vulnerabilities: dict[str, Any]) -> str:
    dependencies = [
        {"name": "good", "version": "1.0", "vulns": []},
        {"name": "local", "skip_reason": "not on the index"},
        {"name": "bad", "version": "2.0", "vulns": list(vulnerabilities)},
    ]
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_known_vulnerability_fails(audit: ModuleType) -> None:
    status, words = audit.verdict(
        report({"id": "CVE-1", "fix_versions": ["2.1"]}, {"id": "CVE-2", "fix_versions": []}), ""
    )
    assert status == 1
    assert "bad 2.0: CVE-1, fixed in 2.1\nbad 2.0: CVE-2, fixed in none yet" in words


def test_none_is_told(audit: ModuleType) -> None:
    assert audit.verdict(report(), "") == (0, "audit: no known vulnerability in 3 packages")


@pytest.mark.parametrize("written", ["", "Traceback", "[]", "{}", "null"])
def test_where_nothing_could_be_asked_it_is_skipped_with_a_word(audit: ModuleType, written: str) -> None:
    assert audit.verdict(written, "warning\nno route to host\n") == (
        0,
        "audit skipped: no vulnerability database could be asked (no route to host)",
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (subprocess.CalledProcessError(1, "pip"), "cannot be had from here"),
        (subprocess.TimeoutExpired("pip", 1), "no answer within"),
    ],
)
def test_without_the_tool_it_is_skipped_too(
    audit: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Exception,
    words: str,
) -> None:
    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        if "--version" in command:
            return subprocess.CompletedProcess(command, 1)
        raise fault

    monkeypatch.setattr(subprocess, "run", run)
    assert audit.main() == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(("vulnerable", "status"), [(True, 1), (False, 0)])
def test_what_the_tool_writes_is_read(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, vulnerable: bool, status: int
) -> None:
    written = report({"id": "CVE-1", "fix_versions": []}) if vulnerable else report()
    answer: Callable[..., Any] = lambda command, **_: subprocess.CompletedProcess(command, 0, written, "")  # noqa: E731
    monkeypatch.setattr(subprocess, "run", answer)
    assert audit.main() == status
    assert sys.modules.get("pip_audit") is None
