"""Whatever fits the committed OpenAPI document, and whatever just does not, is answered as the document says."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tart import Reranker
from tart.models import DEFAULT_MODEL
from tart_index import Searcher
from tart_serve import create_app
from tests.serve.live_service import live_service

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
requests = pytest.importorskip("requests", reason="requests is not installed")

from schemathesis.specs.openapi.checks import (  # noqa: E402 (after the skip)
    allow_header_conformance,
    positive_data_acceptance,
)

schema = schemathesis.openapi.from_path(Path(__file__).parents[2] / "docs" / "openapi.json")


@pytest.fixture(scope="module")
def url(searcher: Searcher, reranker: Reranker) -> Iterator[str]:
    """A service whose index and model have the names that the document's examples use."""
    demo = copy.copy(searcher)
    demo.encoder = copy.copy(searcher.encoder)
    demo.encoder.name = DEFAULT_MODEL
    with live_service(create_app({"demo": demo}, reranker=reranker)) as address:
        yield address


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with requests.Session() as session:
        yield session


@schema.parametrize()
@settings(max_examples=10, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_an_operation_keeps_its_word(case: Any, url: str, session: Any) -> None:
    # No schema can say all that a body must be: a query that is not blank, fields that exclude each other, a vector's
    # own length. So a body that fits its schema may be refused, with a status that the document lists.
    excluded = [positive_data_acceptance] if case.operation.method.upper() == "POST" else []
    if case.operation.path.endswith(":reload"):
        # Where the name of an index may end so, GET is allowed too, by the route without it.
        excluded.append(allow_header_conformance)
    case.call_and_validate(base_url=url, session=session, excluded_checks=excluded)
