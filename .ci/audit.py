"""Looks for known vulnerabilities in what is installed, where a database of them can be reached; else says so.

Ends with 1 only where a vulnerability was found: a machine without a network is no reason to fail a check.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_SECONDS = 120
_CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
_PYTHON = (sys.executable, "-m")
_PIP = (*_PYTHON, "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "5", "--retries", "0")
_AUDIT = (*_PYTHON, "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off", "--timeout", "5")


def verdict(report: str, trouble: str) -> tuple[int, str]:
    """What came of an audit: an exit status, and words for it.

    Args:
        report: What pip-audit wrote, as JSON; nothing where it could not look.
        trouble: What it complained of.
    """
    try:
        dependencies = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = trouble.strip().splitlines()[-1][:200] if trouble.strip() else "it wrote nothing"
        return 0, f"audit skipped: no vulnerability database could be asked ({reason})"
    found = [
        f"{one['name']} {one['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'none yet'}"
        for one in dependencies
        for fault in one.get("vulns", [])
    ]
    if found:
        return 1, "\n".join(["audit: known vulnerabilities", *found])
    return 0, f"audit: no known vulnerability in {len(dependencies)} packages"


def main() -> int:
    """Audits the environment that this Python is of."""
    try:
        if _run(*_PYTHON, "pip_audit", "--version").returncode:
            _run(*_PIP, "--constraint", str(_CONSTRAINTS), "pip-audit").check_returncode()
        done = _run(*_AUDIT, "--format", "json")
    except subprocess.CalledProcessError:
        status, words = 0, "audit skipped: pip-audit is not installed and cannot be had from here"
    except subprocess.TimeoutExpired:
        status, words = 0, f"audit skipped: no answer within {_SECONDS} s"
    else:
        status, words = verdict(done.stdout, done.stderr)
    sys.stdout.write(words + "\n")
    return status


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (every word of it stands above)
        command, capture_output=True, text=True, check=False, timeout=_SECONDS
    )


if __name__ == "__main__":
    sys.exit(main())
