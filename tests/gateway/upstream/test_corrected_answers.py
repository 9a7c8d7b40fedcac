"""Answers from passages by an upstream of a catalog file, and who pays for their correction."""

import asyncio
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.reports.margin import Margin, MarginDimension, MarginFilter, list_margins
from gateway.retrieval import ingestion
from gateway.retrieval.chunker_process import ChunkRequest, chunk_file
from tests.gateway.upstream.bought_model import BOUGHT, Start, stored, until
from tests.support.billing.making import count_all_usage
from tests.support.builders import EMBEDDING, Gateway
from tests.support.fakes.provider import FakeProvider
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import client
from tests.support.gateway.drafts import QUESTION, QUOTATION, RIGHT, TEXT, WRONG
from tests.support.gateway.faults import nothing_is_held
from tests.support.waiting import until_true

WAIVED = (BOUGHT, "provider", 70_000, 0, "waived")


@pytest.fixture(autouse=True)
def embeddings(upstream: FakeUpstream, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The own server has the embedding model, and files are chunked without subprocesses."""

    async def chunk_here(request: ChunkRequest) -> list[str]:
        return chunk_file(request)

    monkeypatch.setattr(ingestion, "chunk_in_subprocess", chunk_here)
    upstream.listed.append(EMBEDDING)


async def store_of(gateway: Gateway) -> str:
    """A vector store with a text."""
    async with client(gateway.url, gateway.key.secret) as openai:
        file = ("filter.txt", TEXT.encode())
        file_id = (await openai.files.create(file=file, purpose="user_data")).id
        store_id = (await openai.vector_stores.create(file_ids=[file_id])).id

        async def is_indexed() -> bool:
            return (await openai.vector_stores.retrieve(store_id)).file_counts.completed == 1

        await until_true(is_indexed)
    return store_id


async def body_of(gateway: Gateway, **values: Any) -> dict[str, Any]:
    """A chat about a text, which the gateway has in a vector store."""
    tool = {"type": "file_search", "vector_store_ids": [await store_of(gateway)]}
    message = {"role": "user", "content": QUESTION}
    body = {"model": BOUGHT, "messages": [message], "tools": [tool], "max_tokens": 50}
    return {**body, **values}


async def calls_of(gateway: Gateway) -> list[Any]:
    """The rows of the bought model, once the chat, its correction, its search and that of the
    file's only chunk are written."""
    return [row for row in await stored(gateway, 4) if row[0] == BOUGHT]


async def margins(gateway: Gateway, by: MarginDimension) -> list[Margin]:
    database, clock = gateway.parts.database, gateway.parts.clock
    await count_all_usage(database, clock)
    since, until_ = (clock.now() + timedelta(days=days) for days in (-1, 1))
    async with database.transaction() as session:
        chosen = MarginFilter(since, until_, model=BOUGHT)
        return await list_margins(session, by, chosen, ZoneInfo("UTC"))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_client_that_leaves_during_the_second_answer_pays_for_the_first_only(
    start: Start, provider: FakeProvider, noticed: asyncio.Event, stream: bool
) -> None:
    async with start() as gateway:
        body = await body_of(gateway, stream=stream)
        provider.says, provider.pauses_from = [WRONG, RIGHT], 2
        provider.resumed.clear()
        calling = asyncio.create_task(gateway.http.post("/v1/chat/completions", json=body))
        await until(lambda: len(provider.received) == 2)
        calling.cancel()
        await noticed.wait()
        provider.resumed.set()
        first, second = await calls_of(gateway)
        assert first == (BOUGHT, "provider", 70_000, 200_000, "client_abort")
        assert second == WAIVED
        second_row, *_, first_row = (await gateway.rows(4))[:3]
        assert second_row["parent_id"] == first_row["request_id"]
        for row in (first_row, second_row):
            assert (row["status"], row["error_code"]) == (499, "client_closed_request")
            assert (row["input_tokens"], row["output_tokens"]) == (10, 5)
        await nothing_is_held(gateway)


async def test_margin_counts_the_cost_of_a_waived_call_and_no_revenue(
    start: Start, provider: FakeProvider
) -> None:
    async with start() as gateway:
        body = await body_of(gateway)
        provider.says = [WRONG, RIGHT]
        answer = await gateway.http.post("/v1/chat/completions", json=body)
        assert answer.json()["choices"][0]["message"]["content"] == RIGHT
        assert await calls_of(gateway) == [
            (BOUGHT, "provider", 70_000, 200_000, "complete"),
            WAIVED,
        ]
        sums = ("CNY", 2, 0, 200_000, 0, 140_000)
        for dimension, value in (
            (MarginDimension.MODEL, BOUGHT),
            (MarginDimension.ACCOUNT, gateway.account.name),
            (MarginDimension.UPSTREAM, "provider"),
        ):
            (found,) = await margins(gateway, dimension)
            assert found == Margin(value, *sums)
            assert (found.margin_nano, found.margin_ppm) == (60_000, 300_000)


async def test_correction_of_a_stream_without_usage_is_waived_and_sent(
    start: Start, provider: FakeProvider
) -> None:
    async with start() as gateway:
        body = await body_of(gateway, stream=True)
        provider.says, provider.untold, provider.pauses_from = [WRONG, RIGHT], True, 2
        provider.resumed.clear()
        calling = asyncio.create_task(gateway.http.post("/v1/chat/completions", json=body))
        await until(lambda: len(provider.received) == 2)
        provider.untold = False
        provider.resumed.set()
        answer = await calling
        assert RIGHT in answer.text
        assert await calls_of(gateway) == [(BOUGHT, "provider", None, 0, "unknown"), WAIVED]


async def test_error_of_the_upstream_in_the_second_answer_leads_to_a_quotation(
    start: Start, provider: FakeProvider
) -> None:
    async with start() as gateway:
        body = await body_of(gateway)
        provider.says, provider.pauses_from = [WRONG], 2
        provider.resumed.clear()
        calling = asyncio.create_task(gateway.http.post("/v1/chat/completions", json=body))
        await until(lambda: len(provider.received) == 2)
        provider.status = 503
        provider.resumed.set()
        answer = (await calling).json()
        assert answer["choices"][0]["message"]["content"] == QUOTATION
        assert await calls_of(gateway) == [
            (BOUGHT, "provider", 70_000, 200_000, "complete"),
            (BOUGHT, None, None, 0, "platform_fault"),
        ]
