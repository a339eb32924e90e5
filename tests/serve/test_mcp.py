"""The Model Context Protocol by hand; tests/serve/clients/test_mcp_client.py speaks it with the real client."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tart_index import Searcher, SearchRequest
from tart_serve import create_app
from tart_serve.mcp.arguments import SHOWN_CHARACTERS
from tart_serve.refusal import Refusal
from tart_serve.service import Service

INSTRUCTION = "Find the Python function that does this"
VERSION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}


def post(client: TestClient, body: object, **headers: str) -> tuple[int, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = client.post("/mcp", json=body, headers=named)
    return response.status_code, response.json() if response.content else None


def legacy(client: TestClient, method: str, **params: object) -> dict[str, Any]:
    status, reply = post(client, {"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    assert (status, reply["jsonrpc"], reply["id"]) == (200, "2.0", 7)
    return reply  # type: ignore[no-any-return]


def modern(client: TestClient, method: str, headers: dict[str, str] | None = None, **params: object) -> tuple[int, Any]:
    sent = {"MCP-Protocol-Version": VERSION, "Mcp-Method": method, **(headers or {})}
    body = {"jsonrpc": "2.0", "id": "a", "method": method, "params": {"_meta": META, **params}}
    return post(client, body, **sent)


def call(client: TestClient, tool: str, **arguments: object) -> dict[str, Any]:
    result: dict[str, Any] = legacy(client, "tools/call", name=tool, arguments=arguments)["result"]
    return result


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"), ("2024-11-05", "2025-11-25"), ("x", "2025-11-25")],
)
def test_the_handshake_agrees_on_a_revision(client: TestClient, asked: str, agreed: str) -> None:
    result = legacy(client, "initialize", protocolVersion=asked, capabilities={})["result"]
    assert result["protocolVersion"] == agreed
    assert (result["serverInfo"]["name"], result["capabilities"]) == ("tart", {"tools": {"listChanged": False}})
    assert post(client, {"jsonrpc": "2.0", "method": "notifications/initialized"}) == (202, None)
    assert legacy(client, "ping")["result"] == {}


def test_discovery_needs_no_handshake(client: TestClient) -> None:
    status, reply = modern(client, "server/discover")
    assert (status, reply["id"]) == (200, "a")
    assert reply["result"]["supportedVersions"] == ["2025-06-18", "2025-11-25", "2026-07-28"]
    assert (reply["result"]["resultType"], reply["result"]["cacheScope"]) == ("complete", "private")
    assert reply["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "tart"


def test_tools_are_described_for_agents(client: TestClient) -> None:
    tools = legacy(client, "tools/list")["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["search", "list_indexes", "get_document"]
    search = tools[0]
    assert search["inputSchema"]["properties"]["index"]["enum"] == ["code", "notes"]
    assert search["inputSchema"]["required"] == ["query", "index"]
    assert set(search["inputSchema"]["properties"]) == {"query", "instruction", "index", "top_k", "offset", "filter"}
    assert all(field["description"] for field in search["inputSchema"]["properties"].values())
    assert all(tool["annotations"]["readOnlyHint"] and tool["outputSchema"]["type"] == "object" for tool in tools)
    # The schemas of arguments are flat: several model providers take no other ones.
    assert "$ref" not in json.dumps([tool["inputSchema"] for tool in tools])
    result = modern(client, "tools/list")[1]["result"]
    assert (result["tools"], result["ttlMs"], result["resultType"]) == (tools, 60_000, "complete")


def test_a_service_of_one_index_does_not_ask_which(searcher: Searcher) -> None:
    with TestClient(create_app({"code": searcher})) as client:
        schema = legacy(client, "tools/list")["result"]["tools"][0]["inputSchema"]
        assert (schema["required"], schema["properties"]["index"]["enum"]) == (["query"], ["code"])
        assert call(client, "search", query="merge")["structuredContent"]["index"] == "code"


@pytest.mark.parametrize("fields", [{}, {"instruction": INSTRUCTION}, {"top_k": 2, "offset": 3}])
def test_search_gives_the_searcher_s_hits(client: TestClient, searcher: Searcher, fields: dict[str, Any]) -> None:
    result = call(client, "search", query="merge two dicts", index="code", **fields)
    [wanted] = searcher.search([SearchRequest("merge two dicts", **fields)])
    content = result["structuredContent"]
    assert not result["isError"]
    assert [(hit["rank"], hit["id"]) for hit in content["hits"]] == [(h.rank, h.document.id) for h in wanted.hits]
    for found, hit in zip(content["hits"], wanted.hits, strict=True):
        assert found["score"] == pytest.approx(hit.score, abs=1e-6)
        assert (found["text"], found["metadata"]) == (hit.document.text, hit.document.metadata)
        assert found["text_is_cut"] is False
    assert content["instruction_applied"] == fields.get("instruction", "")
    assert (content["version"], content["has_more"]) == ("1", wanted.has_more)
    assert [json.loads(part["text"]) for part in result["content"]] == [content]


def test_search_takes_a_filter(client: TestClient) -> None:
    wanted = {"type": "and", "filters": [{"type": "lt", "key": "number", "value": 2}]}
    hits = call(client, "search", query="merge", index="code", filter=wanted)["structuredContent"]["hits"]
    assert {hit["id"] for hit in hits} == {"code-0", "code-1"}


def test_indexes_are_listed_with_what_filters_and_instructions_can_use(client: TestClient) -> None:
    code, notes = call(client, "list_indexes")["structuredContent"]["indexes"]
    assert code == {
        "name": "code",
        "documents": 30,
        "default_instruction": "",
        "named_instructions": {"function": INSTRUCTION},
        "metadata_keys": {"kind": ["string"], "number": ["number"]},
    }
    assert (notes["name"], notes["default_instruction"]) == ("notes", "Find the page that explains this")


def test_a_document_is_given_whole(client: TestClient, searcher: Searcher) -> None:
    content = call(client, "get_document", id="guide-3", index="code")["structuredContent"]
    row = searcher.folder.find("guide-3")
    assert row is not None
    assert content["text"] == searcher.folder.document(row).text
    assert (content["id"], content["metadata"]) == ("guide-3", {"kind": "guide"})


def test_a_long_text_is_cut_in_hits_only(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tart_serve.mcp.tools.SHOWN_CHARACTERS", 12)
    [hit] = call(client, "search", query="merge", index="code", top_k=1)["structuredContent"]["hits"]
    assert (len(hit["text"]), hit["text_is_cut"]) == (12, True)
    whole = call(client, "get_document", id=hit["id"], index="code")["structuredContent"]["text"]
    assert whole.startswith(hit["text"])
    assert len(whole) > 12
    assert SHOWN_CHARACTERS == 2_000


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("search", {"index": "code"}, "query: this field is missing"),
        ("search", {"query": "a", "index": "code", "top_k": 51}, "top_k: Input should be less than or equal to 50"),
        ("search", {"query": "a", "index": "code", "k": 1}, "k: there is no field"),
        ("search", {"query": "a"}, "several indexes are served; name one of: code, notes"),
        ("search", {"query": "a", "index": "other"}, "there is no index 'other'; there are: code, notes"),
        ("search", {"query": " ", "index": "code"}, "the query is empty"),
        ("search", {"query": "word " * 300, "index": "code"}, "tokens, the model takes 256"),
        ("search", {"query": "a", "index": "code", "filter": {"type": "eq"}}, "filter/key: this field is missing"),
        ("get_document", {"id": "nothing", "index": "code"}, "has no document 'nothing'; take an id from a search"),
        ("list_indexes", {"all": True}, "there is no field"),
    ],
)
def test_a_bad_call_tells_the_agent_what_to_do(
    client: TestClient, tool: str, arguments: dict[str, object], words: str
) -> None:
    result = call(client, tool, **arguments)
    assert result["isError"] is True
    assert words in result["content"][0]["text"]
    assert "structuredContent" not in result


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", -32700, "not JSON"),
        (b"\xff", -32700, "not UTF-8"),
        (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', -32700, "found NaN"),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600, "not a batch"),
        (b'"ping"', -32600, "found no object"),
        (b'{"id": 1, "method": "ping"}', -32600, '"jsonrpc": "2.0"'),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600, "a method"),
        (b'{"jsonrpc": "2.0", "id": 1, "result": {}}', -32600, "replies are not taken"),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600, "the id is neither"),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600, "the id is neither"),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', -32600, "the id is neither"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}', -32602, "params is no object"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "initialize"}', -32602, "protocolVersion is missing"),
    ],
)
def test_a_body_that_is_no_message_is_refused(client: TestClient, body: bytes, code: int, words: str) -> None:
    response = client.post("/mcp", content=body, headers={"Content-Type": "application/json"})
    reply = response.json()
    assert (response.status_code, reply["jsonrpc"], reply["error"]["code"]) == (400, "2.0", code)
    assert words in reply["error"]["message"]
    assert reply["id"] in (1, None)


def test_an_unknown_method_and_an_unknown_tool(client: TestClient) -> None:
    """An older revision wants the error in a normal reply, the newest one a status too."""
    for method, params, code, status in (
        ("resources/list", {}, -32601, 404),
        ("tools/call", {"name": "delete"}, -32602, 400),
        ("tools/call", {"name": "search", "arguments": ["a"]}, -32602, 400),
    ):
        assert legacy(client, method, **params)["error"]["code"] == code  # type: ignore[arg-type]
        named = {"Mcp-Name": str(params["name"])} if "name" in params else {}
        found, reply = modern(client, method, named, **params)  # type: ignore[arg-type]
        assert (found, reply["error"]["code"], reply["id"]) == (status, code, "a")
    assert modern(client, "ping")[0] == 404


@pytest.mark.parametrize("encoded", [False, True])
def test_a_modern_call_says_in_headers_what_it_says_in_the_body(client: TestClient, encoded: bool) -> None:
    name = f"=?base64?{base64.b64encode(b'search').decode()}?=" if encoded else "search"
    arguments = {"query": "merge", "index": "code", "top_k": 1}
    status, reply = modern(client, "tools/call", {"Mcp-Name": name}, name="search", arguments=arguments)
    assert status == 200
    assert len(reply["result"]["structuredContent"]["hits"]) == 1


@pytest.mark.parametrize(
    ("headers", "meta", "code"),
    [
        ({"Mcp-Method": "tools/call"}, META, -32020),
        ({"MCP-Protocol-Version": "2025-11-25"}, META, -32020),
        ({}, None, -32602),
        ({}, {"io.modelcontextprotocol/protocolVersion": VERSION}, -32602),
        ({}, {**META, "io.modelcontextprotocol/clientCapabilities": 1}, -32602),
        (
            {"MCP-Protocol-Version": "1900-01-01"},
            {**META, "io.modelcontextprotocol/protocolVersion": "1900-01-01"},
            -32022,
        ),
        ({"MCP-Protocol-Version": "1900-01-01"}, None, -32022),
    ],
)
def test_a_modern_request_that_contradicts_itself_is_refused(
    client: TestClient, headers: dict[str, str], meta: object, code: int
) -> None:
    status, reply = modern(client, "tools/list", headers, **({"_meta": meta} if meta else {"_meta": None}))
    assert (status, reply["error"]["code"], reply["id"]) == (400, code, "a")
    if code == -32022:
        assert reply["error"]["data"] == {
            "supported": ["2025-06-18", "2025-11-25", "2026-07-28"],
            "requested": "1900-01-01",
        }


def test_a_wrong_or_missing_name_header_is_refused(client: TestClient) -> None:
    for headers in ({}, {"Mcp-Name": "get_document"}, {"Mcp-Name": "=?base64?!?="}):
        status, reply = modern(client, "tools/call", headers, name="search", arguments={"query": "a"})
        assert (status, reply["error"]["code"]) == (400, -32020)


def test_a_legacy_request_of_an_unknown_revision_is_refused(client: TestClient) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert post(client, body, MCP_Protocol_Version="2025-06-18")[0] == 200
    assert post(client, body, MCP_Protocol_Version="2023-01-01")[1]["error"]["code"] == -32022
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert post(client, notification, MCP_Protocol_Version="2023-01-01")[0] == 400
    assert post(client, notification, MCP_Protocol_Version=VERSION) == (202, None)


def test_there_is_no_stream_and_no_session(client: TestClient) -> None:
    for method in ("GET", "DELETE"):
        response = client.request(method, "/mcp")
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert response.json()["error"]["code"] == -32600
    response = client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers={"Mcp-Session-Id": "x"})
    assert response.status_code == 200
    assert "mcp-session-id" not in response.headers


def test_a_client_that_takes_no_json_or_sends_none_is_refused(client: TestClient) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert post(client, body, Accept="text/event-stream")[0] == 406
    assert post(client, body, Accept="application/json, text/event-stream")[0] == 200
    response = client.post("/mcp", content=json.dumps(body), headers={"Content-Type": "text/plain"})
    assert (response.status_code, response.json()["error"]["code"]) == (415, -32600)


@pytest.mark.parametrize("status", [429, 503, 504])
def test_an_overload_is_told_by_the_status_as_everywhere(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async def refuse(*_: object) -> None:
        raise Refusal(status, "not now", headers={"Retry-After": "3"})

    service: Service = client.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setattr(type(service.engine), "search", refuse)
    body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call"}
    params = {"name": "search", "arguments": {"query": "a", "index": "code"}}
    response = client.post("/mcp", json={**body, "params": params})
    assert (response.status_code, response.headers["retry-after"]) == (status, "3")
    assert response.json() == {"jsonrpc": "2.0", "id": 5, "error": {"code": status, "message": "not now"}}


def test_a_page_of_another_site_may_not_call(client: TestClient) -> None:
    """The specification demands it, against DNS rebinding."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    status, reply = post(client, body, Origin="https://evil.example")
    assert (status, reply["jsonrpc"], reply["id"], reply["error"]["code"]) == (403, "2.0", None, 403)
    assert post(client, body, Origin="http://testserver")[0] == 200
