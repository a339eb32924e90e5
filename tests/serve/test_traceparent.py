from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tart_serve.telemetry.traceparent import trace_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-02", False),
        (f"00-{TRACE}-{SPAN}-ff", True),
        (f" 00-{TRACE}-{SPAN}-01\t", True),
        (f"01-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_a_trace_goes_on(header: str, sampled: bool) -> None:
    context = trace_context([header])
    assert (context.trace_id, context.parent_id, context.sampled) == (TRACE, SPAN, sampled)
    assert re.fullmatch(r"[0-9a-f]{16}", context.span_id)
    assert context.span_id != SPAN
    assert context.header == f"00-{TRACE}-{context.span_id}-{'01' if sampled else '00'}"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        [f"00-{TRACE}-{SPAN}"],
        [f"00-{TRACE}-{SPAN}-01-more"],
        [f"00-{TRACE}-{SPAN}-01-"],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"0-{TRACE}-{SPAN}-01"],
        [f"01-{TRACE}-{SPAN}-01more"],
        [f"00-{TRACE.upper()}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN.upper()}-01"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE[:-1]}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}-1"],
        [f"00-{TRACE}-{SPAN}-0x"],
        [f"00-{TRACE}-{SPAN}-01\n"],
        [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01"],
    ],
)
def test_anything_else_begins_a_trace(headers: list[str]) -> None:
    contexts = [trace_context(headers) for _ in range(2)]
    for context in contexts:
        assert re.fullmatch(r"[0-9a-f]{32}", context.trace_id)
        assert context.trace_id != TRACE
        assert context.parent_id is None
        assert not context.sampled
    assert contexts[0].trace_id != contexts[1].trace_id


@given(st.text())
def test_no_header_breaks_it(header: str) -> None:
    assert len(trace_context([header]).trace_id) == 32


def test_the_reply_names_the_step_to_a_caller_who_named_its_own(client: TestClient) -> None:
    header = client.get("/healthz", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"}).headers["traceresponse"]
    assert re.fullmatch(rf"00-{TRACE}-(?!{SPAN})[0-9a-f]{{16}}-01", header)
    for headers in ({}, {"traceparent": "nonsense"}):
        assert "traceresponse" not in client.get("/healthz", headers=headers).headers
