"""The clients that people have speak to a running service; what they get is compared with the library's own answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tart import Document, Encoder, Reranker
from tart_index import Searcher, SearchRequest
from tart_serve import create_app
from tests.serve.live_service import live_service

MODEL = "all-MiniLM-L6-v2"
QUERY = "how do I merge two dicts"
INSTRUCTION = "Find the Python function that does this"
TEXTS = ["sort a list by key", "merge two dictionaries", "def merge(a, b): return {**a, **b}"]


@pytest.fixture(scope="module")
def url(searcher: Searcher, notes: Searcher, reranker: Reranker) -> Iterator[str]:
    """Where the service is."""
    with live_service(create_app({"code": searcher, "notes": notes}, reranker=reranker)) as address:
        yield address


@pytest.fixture(scope="module")
def wanted(reranker: Reranker) -> list[float]:
    """The reranker's scores of `TEXTS`."""
    documents = [Document(str(number), text) for number, text in enumerate(TEXTS)]
    return [float(score) for score in reranker.score(QUERY, INSTRUCTION, documents)]


def close(found: Any, expected: Any) -> bool:
    return bool(np.allclose(np.asarray(found), np.asarray(expected), atol=1e-5))


@pytest.fixture
def openai_client(url: str) -> Iterator[Any]:
    openai = pytest.importorskip("openai", reason="openai is not installed")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_openai_embeds(openai_client: Any, encoder: Encoder) -> None:
    """The client asks for base64 by itself."""
    reply = openai_client.embeddings.create(model=MODEL, input=TEXTS)
    assert close([row.embedding for row in reply.data], encoder.encode_queries(TEXTS))
    asked = {"instruction": INSTRUCTION}
    reply = openai_client.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float", extra_body=asked)
    assert close([row.embedding for row in reply.data], encoder.encode_queries(TEXTS, [INSTRUCTION] * 3))
    assert reply.usage.prompt_tokens > 0


def test_openai_lists_and_retrieves_models(openai_client: Any) -> None:
    assert [model.id for model in openai_client.models.list()] == [MODEL, "tiny-reranker"]
    assert openai_client.models.retrieve(f"sentence-transformers/{MODEL}").id == MODEL


def test_openai_searches_a_vector_store(openai_client: Any, searcher: Searcher) -> None:
    page = openai_client.vector_stores.search(
        "code",
        query=QUERY,
        max_num_results=4,
        filters={"type": "and", "filters": [{"type": "lt", "key": "number", "value": 9}]},
        ranking_options={"ranker": "none", "score_threshold": -1.0},
        rewrite_query=False,
        extra_body={"instruction": INSTRUCTION},
    )
    [result] = searcher.search([SearchRequest(QUERY, INSTRUCTION, top_k=30)])
    hits = [hit for hit in result.hits if hit.document.metadata.get("number") in range(9)][:4]
    # The client's own type, checked against its own annotations.
    kind = type(page.data[0])
    assert [kind.model_validate(hit.model_dump()) for hit in page] == page.data
    assert [hit.file_id for hit in page.data] == [hit.document.id for hit in hits]
    assert close([hit.score for hit in page.data], [hit.score for hit in hits])
    assert [hit.content[0].text for hit in page.data] == [hit.document.text for hit in hits]
    assert [hit.attributes for hit in page.data] == [dict(hit.document.metadata) for hit in hits]
    assert not page.has_next_page()
    store = openai_client.vector_stores.retrieve("code")
    assert (store.status, store.file_counts.total) == ("completed", 30)
    assert [store.id for store in openai_client.vector_stores.list()] == ["code", "notes"]


def test_openai_raises_its_own_errors(openai_client: Any) -> None:
    import openai

    with pytest.raises(openai.NotFoundError, match="is not served here") as unknown:
        openai_client.embeddings.create(model="text-embedding-3-small", input="a")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError, match="the model takes") as long:
        openai_client.embeddings.create(model=MODEL, input="word " * 300)
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="less than or equal to 50"):
        openai_client.vector_stores.search("code", query="a", max_num_results=51)
    with pytest.raises(openai.NotFoundError, match="there is no index 'other'"):
        openai_client.vector_stores.retrieve("other")


def test_openai_s_asynchronous_client(url: str, encoder: Encoder) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed")

    async def embed() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            return await client.embeddings.create(model=MODEL, input=TEXTS[0])

    assert close(asyncio.run(embed()).data[0].embedding, encoder.encode_queries(TEXTS[:1])[0])


def test_cohere_reranks_in_both_versions(url: str, wanted: list[float]) -> None:
    cohere = pytest.importorskip("cohere", reason="cohere is not installed")
    asked = {"additional_body_parameters": {"instruction": INSTRUCTION}}
    with cohere.ClientV2(api_key="none", base_url=url) as client:
        reply = client.rerank(
            model="tiny-reranker", query=QUERY, documents=TEXTS, max_tokens_per_doc=90, request_options=asked
        )
        found = {row.index: row.relevance_score for row in reply.results}
        assert close([found[number] for number in range(3)], wanted)
        assert reply.meta.api_version.version == "2"
        with pytest.raises(cohere.NotFoundError) as unknown:
            client.rerank(model="rerank-v4.0", query=QUERY, documents=TEXTS)
        assert "'rerank-v4.0' is not served here" in unknown.value.body["message"]
        with pytest.raises(cohere.UnprocessableEntityError):
            client.rerank(model="tiny-reranker", query=" ", documents=TEXTS)
    with cohere.Client(api_key="none", base_url=url) as old:
        documents = [TEXTS[0], {"text": TEXTS[1]}]
        reply = old.rerank(query=QUERY, documents=documents, return_documents=True, request_options=asked)
        found = {row.index: row.relevance_score for row in reply.results}
        assert close([found[number] for number in range(2)], wanted[:2])
        assert {row.index: row.document.text for row in reply.results} == dict(enumerate(TEXTS[:2]))


def test_langchain_embeds(url: str, encoder: Encoder) -> None:
    langchain = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    embeddings = langchain.OpenAIEmbeddings(
        model=MODEL,
        base_url=f"{url}/v1",
        api_key="none",
        check_embedding_ctx_length=False,
        model_kwargs={"extra_body": {"input_type": "document"}},
    )
    documents = [Document(str(number), text) for number, text in enumerate(TEXTS)]
    assert close(embeddings.embed_documents(TEXTS), encoder.encode_documents(documents))
    queries = langchain.OpenAIEmbeddings(
        model=MODEL,
        base_url=f"{url}/v1",
        api_key="none",
        check_embedding_ctx_length=False,
        model_kwargs={"extra_body": {"instruction": INSTRUCTION}},
    )
    assert close(queries.embed_query(QUERY), encoder.encode_queries([QUERY], [INSTRUCTION])[0])


def test_llama_index_embeds(url: str, encoder: Encoder) -> None:
    openai_like = pytest.importorskip(
        "llama_index.embeddings.openai_like", reason="llama-index-embeddings-openai-like is not installed"
    )
    model = openai_like.OpenAILikeEmbedding(
        model_name=MODEL,
        api_base=f"{url}/v1",
        api_key="none",
        additional_kwargs={"extra_body": {"instruction": INSTRUCTION}},
    )
    assert close(model.get_query_embedding(QUERY), encoder.encode_queries([QUERY], [INSTRUCTION])[0])
    assert close(model.get_text_embedding_batch(TEXTS), encoder.encode_queries(TEXTS, [INSTRUCTION] * 3))


def test_llama_index_reranks(url: str, reranker: Reranker) -> None:
    """Through Jina's route."""
    jina = pytest.importorskip(
        "llama_index.postprocessor.jinaai_rerank", reason="llama-index-postprocessor-jinaai-rerank is not installed"
    )
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(text=text)) for text in TEXTS]
    ranker = jina.JinaRerank(model="tiny-reranker", api_key="none", base_url=f"{url}/v1", top_n=2)
    lost = jina.JinaRerank(model="jina-reranker-v3", api_key="none", base_url=f"{url}/v1")
    with ranker._session, lost._session:
        ranked = ranker.postprocess_nodes(nodes, query_str=QUERY)
        with pytest.raises(RuntimeError, match="'jina-reranker-v3' is not served here"):
            lost.postprocess_nodes(nodes, query_str=QUERY)
    scores = reranker.score(QUERY, "", [Document(str(number), text) for number, text in enumerate(TEXTS)])
    assert [node.text for node in ranked] == [TEXTS[number] for number in np.argsort(-scores)[:2]]
    assert close([node.score for node in ranked], np.sort(scores)[::-1][:2])


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_an_agent_searches(url: str, searcher: Searcher, mode: str, version: str) -> None:
    """The real client of the Model Context Protocol, which checks results against the tools' output schemas."""
    mcp = pytest.importorskip("mcp", reason="mcp is not installed")

    async def talk() -> tuple[Any, ...]:
        async with mcp.Client(f"{url}/mcp", mode=mode) as client:
            tools = await client.list_tools()
            arguments = {"query": QUERY, "instruction": INSTRUCTION, "index": "code", "top_k": 3}
            found = await client.call_tool("search", arguments)
            wrong = await client.call_tool("search", {"query": QUERY, "index": "other"})
            first = found.structured_content["hits"][0]["id"]
            document = await client.call_tool("get_document", {"id": first, "index": "code"})
            listed = await client.call_tool("list_indexes", {})
            return client.protocol_version, client.server_info, tools, found, wrong, document, listed

    spoken, server, tools, found, wrong, document, listed = asyncio.run(talk())
    assert (spoken, server.name) == (version, "tart")
    assert [tool.name for tool in tools.tools] == ["search", "list_indexes", "get_document"]
    assert all(tool.annotations.read_only_hint for tool in tools.tools)
    [result] = searcher.search([SearchRequest(QUERY, INSTRUCTION, top_k=3)])
    assert [hit["id"] for hit in found.structured_content["hits"]] == [hit.document.id for hit in result.hits]
    assert wrong.is_error
    assert "there are: code, notes" in wrong.content[0].text
    assert document.structured_content["text"] == result.hits[0].document.text
    assert [index["name"] for index in listed.structured_content["indexes"]] == ["code", "notes"]


def test_an_agent_is_told_of_an_unknown_tool(url: str) -> None:
    mcp = pytest.importorskip("mcp", reason="mcp is not installed")
    from mcp.shared.exceptions import MCPError

    async def talk() -> int:
        async with mcp.Client(f"{url}/mcp") as client:
            with pytest.raises(MCPError, match="there is no tool 'delete_everything'") as refused:
                await client.call_tool("delete_everything", {})
            code: int = refused.value.code
            return code

    assert asyncio.run(talk()) == -32602
