"""Calls to upstreams of a catalog file whose client disconnects before the end."""

import asyncio

from tests.gateway.upstream.bought_model import BOUGHT, Start, stored, until, with_second
from tests.support.builders import Gateway
from tests.support.fakes.provider import FakeProvider, run_fake_provider

ABORTED = (BOUGHT, "provider", 70_000, 200_000, "client_abort")


async def leave(gateway: Gateway, provider: FakeProvider, noticed: asyncio.Event) -> None:
    """Send a call that the provider does not answer yet, and disconnect."""
    sending = asyncio.create_task(gateway.chat("hello", model=BOUGHT))
    await until(lambda: provider.received != [])
    sending.cancel()
    await noticed.wait()


async def test_stream_that_the_client_leaves_is_billed_by_its_end(
    start: Start, provider: FakeProvider, noticed: asyncio.Event
) -> None:
    async with start() as gateway:
        provider.resumed.clear()
        message = {"role": "user", "content": "hello"}
        body = {"model": BOUGHT, "messages": [message], "max_tokens": 50, "stream": True}
        sending = gateway.http.stream("POST", "/v1/chat/completions", json=body)
        async with sending as answer:
            async for _ in answer.aiter_lines():
                break
        await noticed.wait()
        assert await stored(gateway, 0) == []
        provider.resumed.set()
        row = await gateway.row()
        assert (row["status"], row["error_code"]) == (499, "client_closed_request")
        assert await stored(gateway) == [ABORTED]


async def test_answer_that_the_client_does_not_await_is_billed_by_its_usage(
    start: Start, provider: FakeProvider, noticed: asyncio.Event
) -> None:
    async with start() as gateway:
        provider.resumed.clear()
        await leave(gateway, provider, noticed)
        assert await stored(gateway, 0) == []
        provider.resumed.set()
        row = await gateway.row()
        assert (row["status"], row["error_code"]) == (499, "client_closed_request")
        assert await stored(gateway) == [ABORTED]


async def test_error_after_the_client_left_is_neither_retried_nor_billed(
    start: Start, provider: FakeProvider, noticed: asyncio.Event
) -> None:
    async with run_fake_provider() as second, start(with_second(second)) as gateway:
        provider.resumed.clear()
        await leave(gateway, provider, noticed)
        provider.status = 503
        provider.resumed.set()
        row = await gateway.row()
        assert (row["status"], row["error_code"]) == (499, "client_closed_request")
        assert await stored(gateway) == [(BOUGHT, None, None, 0, "client_abort")]
        assert second.received == []
