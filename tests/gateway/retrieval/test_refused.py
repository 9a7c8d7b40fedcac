"""Invalid vector stores, files, searches and `file_search` tools are rejected."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import APIStatusError

from tests.gateway.retrieval.firm import Firm
from tests.support.builders import CHAT, Gateway
from tests.support.gateway.customers import client
from tests.support.gateway.errors import error_of

EQ_A = {"type": "eq", "key": "line", "value": "a"}
NO_WEIGHTS = {"embedding_weight": 0, "text_weight": 0}


@pytest.fixture(scope="module")
async def firm(shared_gateway: Gateway) -> AsyncIterator[Firm]:
    """One firm for the module."""
    async with client(shared_gateway.url, shared_gateway.key.secret) as openai:
        yield Firm(shared_gateway, openai)


@pytest.fixture(scope="module")
async def store(firm: Firm) -> str:
    """The firm's only vector store, which is empty."""
    return (await firm.openai.vector_stores.create()).id


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"nmae": "x"}, "nmae"),
        ({"name": 5}, "name"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after.anchor"),
        ({"expires_after": {"anchor": "last_active_at", "days": 0}}, "expires_after.days"),
        ({"file_ids": ["file_1"]}, "file"),
        ({"file_ids": "x"}, "file_ids"),
    ],
)
async def test_invalid_vector_store_field_is_rejected_by_name(
    firm: Firm, store: str, body: dict[str, Any], param: str
) -> None:
    answer = await firm.gateway.http.post("/v1/vector_stores", json=body)
    assert answer.status_code in (400, 404)
    assert error_of(answer)["param"] == param
    assert [one.id for one in (await firm.openai.vector_stores.list()).data] == [store]


@pytest.mark.parametrize(
    ("size", "overlap", "param"),
    [
        (99, 0, "max_chunk_size_tokens"),
        (800, 400, "max_chunk_size_tokens"),
        (200, 101, "chunk_overlap_tokens"),
    ],
)
async def test_invalid_chunk_size_or_overlap_is_rejected(
    firm: Firm, store: str, size: int, overlap: int, param: str
) -> None:
    file = await firm.sends()
    with pytest.raises(APIStatusError) as caught:
        await firm.openai.vector_stores.files.create(
            store,
            file_id=file,
            chunking_strategy={
                "type": "static",
                "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap},
            },
        )
    body: Any = caught.value.body
    assert body["param"] == f"chunking_strategy.static.{param}"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": []}, "query"),
        ({"query": ["x"] * 9}, "query"),
        ({"query": "x", "max_num_results": 51}, "max_num_results"),
        ({"query": "x", "filters": {"type": "like", "key": "a", "value": "b"}}, "filters"),
        ({"query": "x", "filters": {"type": "and", "filters": []}}, "filters"),
        ({"query": "x", "filters": {"type": "in", "key": "a", "value": "b"}}, "filters"),
        ({"query": "x", "filters": {"type": "eq", "key": "a", "value": ["b"]}}, "filters"),
        ({"query": "x", "filters": {"type": "eq", "key": "a", "value": {}}}, "filters"),
        ({"query": "x", "ranking_options": {"score_threshold": 2}}, None),
        ({"query": "x", "ranking_options": {"hybrid_search": NO_WEIGHTS}}, None),
    ],
)
async def test_invalid_search_field_is_rejected(
    firm: Firm, store: str, body: dict[str, Any], param: str | None
) -> None:
    answer = await firm.gateway.http.post(f"/v1/vector_stores/{store}/search", json=body)
    assert answer.status_code == 400
    assert param is None or error_of(answer)["param"] == param


async def test_search_filter_too_deep_or_too_wide_is_rejected(firm: Firm, store: str) -> None:
    deep: dict[str, Any] = EQ_A
    for _ in range(9):
        deep = {"type": "and", "filters": [deep]}
    wide = {"type": "or", "filters": [EQ_A] * 64}
    for given in (deep, wide):
        with pytest.raises(APIStatusError, match="at most 64 conditions"):
            await firm.finds(store, "x", filters=given)


async def test_search_of_an_empty_store_returns_no_results(firm: Firm, store: str) -> None:
    assert await firm.finds(store, "x") == []


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "tools[0].vector_store_ids"),
        ({"vector_store_ids": []}, "tools[0].vector_store_ids"),
        ({"vector_store_ids": ["x"] * 9}, "tools[0].vector_store_ids"),
        ({"vector_store_ids": ["x"], "max_num_results": 0}, "tools[0].max_num_results"),
        ({"vector_store_ids": ["x"], "filters": {"type": "like"}}, "tools[0].filters"),
        ({"vector_store_ids": ["x"], "filter": {}}, "tools[0].filter"),
        ({"vector_store_ids": ["x"]}, "vector_store_id"),
    ],
)
async def test_invalid_file_search_tool_is_rejected_by_name(
    firm: Firm, given: dict[str, Any], param: str
) -> None:
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "file_search", **given}],
    }
    answer = await firm.gateway.http.post("/v1/chat/completions", json=body)
    assert answer.status_code in (400, 404)
    assert error_of(answer)["param"] == param
