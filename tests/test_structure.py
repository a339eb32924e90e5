"""The project's own rules: who may import whom, what loads without torch, documentation that is generated."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "tart": (ROOT / "tart", set[str]()),
    "tart_index": (ROOT / "index" / "tart_index", {"tart"}),
    "tart_train": (ROOT / "train" / "tart_train", {"tart", "tart_index"}),
    "tart_serve": (ROOT / "serve" / "tart_serve", {"tart", "tart_index"}),
}


def imported(file: Path) -> set[str]:
    """Top-level names of everything that a file imports, wherever it does so."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    folder, allowed = PACKAGES[package]
    files = list(folder.rglob("*.py"))
    assert files
    for file in files:
        ours = imported(file) & set(PACKAGES)
        assert ours <= allowed | {package}, f"{file.relative_to(ROOT)} imports {sorted(ours - allowed - {package})}"


@pytest.mark.parametrize(
    "module",
    [
        "tart",
        "tart.readers",
        "tart_index",
        "tart_index.cli",
        "tart_index.search_cli",
        "tart_index.select_cli",
        "tart_index.selection",
        "tart_serve.cli",
        "tart_serve.client",
        "tart_train.data_cli",
        "tart_train.eval_cli",
        "tart_train.train_cli",
    ],
)
def test_loads_without_heavy_libraries(module: str) -> None:
    heavy = "{'torch', 'transformers', 'sentence_transformers', 'faiss', 'pyarrow', 'fastapi', 'numpy', 'rich'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_no_generic_package_name_is_shipped() -> None:
    assert not [folder for folder in ("index", "train", "serve") if (ROOT / folder / "__init__.py").exists()]


def test_the_command_reference_is_up_to_date() -> None:
    code = [sys.executable, str(ROOT / "docs" / "write_commands.py"), "--check"]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
