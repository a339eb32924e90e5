"""Writes docs/openapi.json from the routes of the service; --check only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tart_serve.app import routed_app
from tart_serve.openapi import openapi_document

FILE = Path(__file__).parent / "openapi.json"


def main() -> int:
    """Writes or compares; 1 when the file is out of date."""
    text = json.dumps(openapi_document(routed_app()), indent=1, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.is_file() and FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{FILE.name} is out of date: run make docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
