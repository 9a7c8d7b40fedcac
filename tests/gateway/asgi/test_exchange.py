"""Client disconnects at any moment, and clients that do not read: billing and cleanup."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.asgi.exchange import ClientDisconnected, ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.errors import UpstreamTimeout
from tests.support import builders
from tests.support.builders import CHAT, PLENTY, Gateway, run_gateway
from tests.support.fakes.raw_server import Exchange, RawServer, answering, run_raw_server
from tests.support.gateway.asking import until
from tests.support.gateway.faults import STREAM, answer, done, event, nothing_is_held, run_before

Started = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with run_raw_server(answering(answer())) as server:
        yield server


@pytest.fixture
def started(database_url: str, tmp_path: Path, raw: RawServer) -> Started:
    """Returns a context manager that runs a gateway in front of the raw server, with a long
    first-byte timeout and a short one for clients that do not read."""

    def make(**values: Any) -> AbstractAsyncContextManager[Gateway]:
        given = {"first_byte_timeout_s": 20.0, "idle_timeout_s": 0.7, **values}
        return run_before(raw, database_url, tmp_path, **given)

    return make


class Caller:
    """A client on its own socket, controlled by the test."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def call(self, missing: int = 0, **values: Any) -> None:
        """Send a call without the last `missing` bytes of its body."""
        message = {"role": "user", "content": "one two"}
        body = json.dumps({"model": CHAT, "messages": [message], "max_tokens": 5, **values})
        host, port = self._gateway.url.removeprefix("http://").split(":")
        # With a small receive buffer, unread bytes soon fill the gateway's buffer.
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=1024)
        self.writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
            b"Content-Length: %d\r\n\r\n%b"
            % (self._gateway.key.secret.encode(), len(body), body[: len(body) - missing].encode())
        )
        await self.writer.drain()

    async def __aenter__(self) -> "Caller":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()  # or the gateway of a failed test would wait for it without end

    def leave(self, rudely: bool = False) -> None:
        if rudely:
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def holding(release: asyncio.Event, *parts: bytes) -> Any:
    """A server script that sends the parts and waits for `release` before it continues."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(*parts)
        await release.wait()
        await exchange.send(answer())

    return script


def serving() -> int:
    """Number of requests that uvicorn is serving in this process."""
    return sum("run_asgi" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def aborted(gateway: Gateway, count: int = 1) -> dict[str, Any]:
    """The newest of `count` rows, which must be a client abort."""
    row = (await gateway.rows(count))[0]
    assert (row["settlement"], row["status"]) == ("client_abort", 499)
    assert row["error_code"] == "client_closed_request"
    return row


@pytest.mark.parametrize("rudely", [False, True])
class TestClientDisconnect:
    async def test_disconnect_before_end_of_body_is_not_billed(
        self, started: Started, raw: RawServer, rudely: bool
    ) -> None:
        async with started(body_timeout_s=20.0) as gateway, Caller(gateway) as caller:
            await caller.call(missing=9)
            await until(lambda: serving() == 1)
            caller.leave(rudely)
            assert (await aborted(gateway))["cost"] == "0.000000000"
            assert raw.requests == []

    async def test_disconnect_while_waiting_for_credit_reserves_nothing(
        self, database_url: str, tmp_path: Path, raw: RawServer, rudely: bool
    ) -> None:
        """Another call reserves the remaining credit; credit that this call waited for is available
        to the next one."""
        release = asyncio.Event()
        raw.script = holding(release)
        configured = builders.settings(database_url, tmp_path, raw.url, credit_wait_s=20.0)
        terms = replace(PLENTY, credit_nano=300_000)
        async with run_gateway(configured, terms=terms) as gateway, Caller(gateway) as caller:
            first = asyncio.create_task(gateway.chat("one", max_tokens=80))
            await until(lambda: len(raw.requests) == 1)
            await caller.call(max_tokens=80)
            await asyncio.sleep(0.3)
            caller.leave(rudely)
            assert (await aborted(gateway))["cost"] == "0.000000000"
            release.set()
            assert (await first).status_code == 200
            assert (await gateway.chat("one", max_tokens=80)).status_code == 200
            assert len(raw.requests) == 2
            await nothing_is_held(gateway)

    async def test_disconnect_while_queued_for_a_slot_frees_its_place(
        self, started: Started, raw: RawServer, rudely: bool
    ) -> None:
        release = asyncio.Event()
        raw.script = holding(release)
        async with (
            started(model_concurrency=1, queue_timeout_s=20.0) as gateway,
            Caller(gateway) as caller,
        ):
            first = asyncio.create_task(gateway.chat("one"))
            await until(lambda: len(raw.requests) == 1)
            await caller.call()
            await asyncio.sleep(0.3)
            caller.leave(rudely)
            assert (await aborted(gateway))["cost"] == "0.000000000"
            release.set()
            assert (await first).status_code == 200
            assert (await gateway.chat("one")).status_code == 200
            assert len(raw.requests) == 2

    @pytest.mark.parametrize("stream", [False, True])
    async def test_disconnect_before_first_byte_cancels_upstream_request(
        self, started: Started, raw: RawServer, rudely: bool, stream: bool
    ) -> None:
        """The upstream connection is closed immediately, which ends the generation."""
        raw.script = holding(asyncio.Event())
        async with started() as gateway, Caller(gateway) as caller:
            await caller.call(stream=stream)
            await until(lambda: len(raw.requests) == 1)
            caller.leave(rudely)
            row = await aborted(gateway)
            assert (row["output_tokens"], row["cost"]) == (None, "0.000000000")
            assert serving() == 0

    async def test_disconnect_mid_stream_bills_generated_tokens(
        self, started: Started, raw: RawServer, rudely: bool
    ) -> None:
        raw.script = holding(asyncio.Event(), STREAM, event(1), event(2))
        async with started(idle_timeout_s=20.0) as gateway, Caller(gateway) as caller:
            await caller.call(stream=True)
            await caller.reader.readuntil(b"\n\n")
            await asyncio.sleep(0.2)
            caller.leave(rudely)
            row = await aborted(gateway)
            # 2 x 500 + 2 x 2000 = 5,000 nano-yuan.
            assert (row["output_tokens"], row["cost"]) == (2, "0.000005000")

    @pytest.mark.parametrize("stream", [False, True])
    async def test_disconnect_after_last_byte_is_settled_as_complete(
        self, started: Started, raw: RawServer, rudely: bool, stream: bool
    ) -> None:
        """The client received the whole response that it pays for."""
        raw.script = answering(STREAM + event(3) + done(3) if stream else answer(3))
        async with started() as gateway, Caller(gateway) as caller:
            await caller.call(stream=stream)
            await caller.reader.readuntil(b"[DONE]" if stream else b"}}")
            caller.leave(rudely)
            row = await gateway.row()
            # 2 x 500 + 3 x 2000 = 7,000 nano-yuan.
            assert (row["settlement"], row["cost"]) == ("complete", "0.000007000")
            await until(lambda: serving() == 0)


class TestUnreadResponse:
    """A client that does not read is disconnected after a timeout. The response was available and
    is billed."""

    async def test_unread_large_response_is_billed_and_dropped_from_memory(
        self, started: Started, raw: RawServer
    ) -> None:
        """The response is not kept in memory for clients that stay connected without reading."""
        raw.script = answering(answer(3, padding=24 << 20))
        async with started(max_answer_bytes=32 << 20) as gateway, AsyncExitStack() as stack:
            before = psutil.Process().memory_info().rss
            for count in range(1, 9):
                caller = await stack.enter_async_context(Caller(gateway))
                await caller.call()
                row = (await gateway.rows(count))[0]
                assert (row["settlement"], row["cost"]) == ("complete", "0.000007000")
                await until(lambda: serving() == 0)
            assert (psutil.Process().memory_info().rss - before) >> 20 < 96

    async def test_unread_end_of_stream_is_billed(self, started: Started, raw: RawServer) -> None:
        raw.script = answering(STREAM, event(3, b"x" * (16 << 20)), done(3))
        async with started(max_answer_bytes=32 << 20) as gateway, Caller(gateway) as caller:
            await caller.call(stream=True)
            row = await gateway.row()
            assert (row["settlement"], row["cost"]) == ("complete", "0.000007000")
            await until(lambda: serving() == 0)

    async def test_slow_client_receives_whole_response(
        self, started: Started, raw: RawServer
    ) -> None:
        """It takes longer than the idle timeout but reads continuously."""
        size = 4 << 20
        raw.script = answering(answer(3, padding=size))
        async with (
            started(max_answer_bytes=32 << 20, idle_timeout_s=2.0) as gateway,
            Caller(gateway) as caller,
        ):
            await caller.call()
            taken = 0
            while taken < size:
                taken += len(await caller.reader.readexactly(128 << 10))
                await asyncio.sleep(0.08)
            await caller.reader.readuntil(b"}}")
            assert (await gateway.row())["settlement"] == "complete"


class TestExchangeDeadline:
    """The deadline block itself, for a client that stays connected or disconnects."""

    async def test_deadline_without_progress_raises_upstream_timeout(self) -> None:
        with pytest.raises(UpstreamTimeout):
            async with _client().deadline(0.1):
                await asyncio.sleep(20)

    async def test_extended_deadline_does_not_expire(self) -> None:
        async with _client().deadline(1.0) as attended:
            for _ in range(6):
                await asyncio.sleep(0.2)
                attended.extend(1.0)

    async def test_client_disconnect_raises_client_disconnected(self) -> None:
        client = _client(leaves_after=0.1)
        with pytest.raises(ClientDisconnected):
            async with client.deadline(20):
                await asyncio.sleep(20)
        assert client.disconnected

    async def test_detached_client_disconnect_does_not_end_block(self) -> None:
        client = _client(leaves_after=0.0)
        client.detached = True
        async with client.deadline(20):
            await asyncio.sleep(0.3)

    async def test_other_exceptions_propagate(self) -> None:
        with pytest.raises(ZeroDivisionError):
            async with _client(leaves_after=0.0).deadline(20):
                raise ZeroDivisionError

    async def test_task_cancellation_propagates(self) -> None:
        async def attend() -> None:
            async with _client().deadline(20):
                await asyncio.sleep(20)

        task = asyncio.create_task(attend())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_disconnect_is_noticed_by_each_block(self) -> None:
        """A client that has disconnected is noticed by each block, not only by the first."""
        client = _client(leaves_after=0.0)
        for _ in range(2):
            with pytest.raises(ClientDisconnected):
                async with client.deadline(20):
                    await asyncio.sleep(20)
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


def _client(leaves_after: float = 60.0) -> ClientExchange:
    """A client exchange whose client disconnects after this many seconds."""

    async def receive() -> Any:
        await asyncio.sleep(leaves_after)
        return {"type": "http.disconnect"}

    async def send(_event: Any) -> None:
        return None

    return ClientExchange({}, receive, send, TimeoutWheel())
