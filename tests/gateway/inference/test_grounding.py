"""Comments that keep a stream alive while its correction is generated."""

import asyncio
from typing import Any

import pytest

from gateway.asgi.exchange import ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.inference.grounding import KeepAlive
from gateway.inference.relay import KEEP_ALIVE


class Client:
    """The client's side of an exchange; `reads` is cleared while it reads no byte."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.has_received = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.exchange = ClientExchange({}, self._receive, self._send, TimeoutWheel())

    async def _receive(self) -> Any:
        return await asyncio.get_running_loop().create_future()

    async def _send(self, message: Any) -> None:
        self.received.append(message["body"])
        self.has_received.set()
        await self.reads.wait()


async def test_started_stream_gets_comments_until_the_correction_is_there() -> None:
    client = Client()
    async with KeepAlive(client.exchange, is_started=True, interval_s=0.001):
        await client.has_received.wait()
    count = len(client.received)
    assert set(client.received) == {KEEP_ALIVE}
    await asyncio.sleep(0)
    assert len(client.received) == count


async def test_stream_that_has_not_started_gets_no_comment() -> None:
    client = Client()
    async with KeepAlive(client.exchange, is_started=False, interval_s=0.0):
        await asyncio.sleep(0)
    assert client.received == []


async def test_client_that_does_not_read_a_comment_does_not_delay_the_correction() -> None:
    client = Client()
    client.reads.clear()
    async with asyncio.timeout(10), KeepAlive(client.exchange, True, 0.001):
        await client.has_received.wait()
    assert not client.exchange.is_writing


async def test_error_of_the_correction_is_raised() -> None:
    client = Client()
    with pytest.raises(ValueError, match="broken"):
        async with KeepAlive(client.exchange, True):
            raise ValueError("broken")
