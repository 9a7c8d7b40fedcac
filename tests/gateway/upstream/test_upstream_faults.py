"""Upstream faults of every kind, seen through the whole gateway.

The client receives a documented error, the row has the settlement, no quota units stay reserved,
and memory does not grow with the upstream's output.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.builders import CHAT, SPECIALIST, Gateway
from tests.support.fakes.raw_server import (
    Exchange,
    RawServer,
    Script,
    answering,
    in_turn,
    run_raw_server,
)
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import (
    END,
    PLAIN,
    STREAM,
    answer,
    chunk,
    done,
    event,
    memory_within,
    run_before,
)
from tests.support.nightly import at_length, nightly

FLOOD = 256 << 20
# Bytes of endless output that may be sent before the connection is closed: mostly kernel buffers.
TAKEN = 48 << 20


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with run_raw_server() as server:
        yield server


@pytest.fixture
async def gateway(database_url: str, tmp_path: Path, raw: RawServer) -> AsyncIterator[Gateway]:
    async with run_before(raw, database_url, tmp_path) as running:
        yield running


def stalling(*parts: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.send(*parts)
        await asyncio.sleep(60)

    return script


def resetting(*parts: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.send(*parts)
        await asyncio.sleep(0.05)
        exchange.reset()

    return script


def flooding(start: bytes, part: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.send(start)
        await exchange.flood(part, FLOOD)

    return script


def errors(text: str) -> dict[str, Any]:
    """The error event of a stream, which must be the last event."""
    *_, last = [part for part in text.split("\n\n") if part]
    error: dict[str, Any] = json.loads(last.removeprefix("data: "))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "[DONE]" not in text
    return error


async def fault_of(gateway: Gateway) -> tuple[int, str]:
    """Status and error code of the only row, which must be a platform fault without cost."""
    row = await gateway.row()
    assert (row["settlement"], row["cost"]) == ("platform_fault", "0.000000000")
    return row["status"], row["error_code"]


class TestFaultBeforeResponse:
    @pytest.mark.parametrize("stream", at_length([False, True], [True]))
    @pytest.mark.parametrize(
        ("script", "status", "code"),
        [
            (stalling(), 504, "model_timeout"),
            (stalling(b"HTTP/1.1 200 OK\r\nx-half: "), 504, "model_timeout"),
            (stalling(b"HTTP/1.1 100 Continue\r\n\r\n"), 504, "model_timeout"),
            (answering(close=True), 502, "model_failed"),
            (resetting(), 502, "model_failed"),
            (answering(b"220 ftp.example\r\n"), 502, "model_failed"),
            (answering(b"HTTP/1.1 204 No Content\r\n\r\n"), 502, "model_failed"),
            (answering(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"), 502,
             "model_failed"),
        ],
    )  # fmt: skip
    async def test_fault_returns_5xx_without_retry(
        self, gateway: Gateway, raw: RawServer, script: Script, status: int, code: str, stream: bool
    ) -> None:
        raw.script = script
        got = await gateway.chat("one two", stream=stream)
        assert (got.status_code, error_of(got)["code"]) == (status, code)
        assert await fault_of(gateway) == (status, code)
        assert len(raw.requests) == 1  # not sent again: the call may have crashed the engine


class TestFaultAfterHeaders:
    @pytest.mark.parametrize(
        ("script", "stream", "status", "code"),
        [
            (stalling(PLAIN + b"content-length: 9\r\n\r\n{"), False, 504, "model_timeout"),
            (resetting(PLAIN + b"content-length: 9\r\n\r\n{"), False, 502, "model_failed"),
            (answering(answer()[:-1], close=True), False, 502, "model_failed"),
            (resetting(PLAIN + b"\r\n" + answer().partition(b"\r\n\r\n")[2]), False, 502,
             "model_failed"),
            (answering(STREAM + b"zz\r\n"), False, 502, "model_failed"),
            (stalling(STREAM), True, 504, "model_timeout"),
            (resetting(STREAM), True, 502, "model_failed"),
            (answering(STREAM + END), True, 502, "model_failed"),
            (answering(answer()), True, 502, "model_failed"),
        ],
    )  # fmt: skip
    async def test_incomplete_response_returns_5xx(
        self, gateway: Gateway, raw: RawServer, script: Script, stream: bool, status: int, code: str
    ) -> None:
        """A connection reset is a fault even if the body looks complete, since only a clean close
        would end it."""
        raw.script = script
        got = await gateway.chat("one two", stream=stream)
        assert (got.status_code, error_of(got)["code"]) == (status, code)
        assert await fault_of(gateway) == (status, code)


class TestFaultMidStream:
    @pytest.mark.parametrize(
        ("script", "code"),
        [
            (stalling(STREAM, event(1), event(2)), "model_timeout"),
            (stalling(STREAM, event(1), event(2), event(3)[:30]), "model_timeout"),
            (resetting(STREAM, event(1), event(2)), "model_failed"),
            (answering(STREAM, event(1), event(2), close=True), "model_failed"),
            (answering(STREAM, event(1), event(2), END), "model_failed"),
            (answering(STREAM, event(1), event(2), b"zz\r\n"), "model_failed"),
            (answering(STREAM + event(1) + event(2) + chunk(b"<html>\n\n")), "model_failed"),
        ],
    )
    async def test_stream_ends_with_error_event(
        self, gateway: Gateway, raw: RawServer, script: Script, code: str
    ) -> None:
        raw.script = script
        got = await gateway.chat("one two", stream=True)
        assert got.status_code == 200
        assert got.text.count('"content"') == 2
        assert errors(got.text)["code"] == code
        assert await fault_of(gateway) == (200, code)
        raw.script = answering(answer())
        assert (await gateway.chat("still alive")).status_code == 200

    @pytest.mark.parametrize(
        "script",
        [
            answering(STREAM, event(1), event(2), done(2)[: -len(END)], close=True),
            resetting(STREAM, event(1), event(2), done(2)[: -len(END)]),
            stalling(STREAM, event(1), event(2), done(2)[: -len(END)]),
            answering(STREAM, event(1), event(2), done(2) + answer()),
            flooding(STREAM + event(1) + event(2) + done(2)[: -len(END)], chunk(b"x" * 65_000)),
        ],
    )
    async def test_stream_is_complete_after_done_whatever_follows(
        self, gateway: Gateway, raw: RawServer, script: Script
    ) -> None:
        raw.script = script
        got = await gateway.chat("one two", stream=True)
        assert got.text.endswith("data: [DONE]\n\n")
        row = await gateway.row()
        # 2 x 500 + 2 x 2000 = 5,000 nano-yuan.
        assert (row["settlement"], row["cost"]) == ("complete", "0.000005000")
        assert raw.sent < TAKEN
        raw.script = answering(answer())
        assert (await gateway.chat("still alive")).status_code == 200

    async def test_malformed_event_over_token_limit_returns_502(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        """The usage exceeds any limit, in an event that is not a valid chunk. The event is
        withheld, so no byte has been sent and the call fails with an HTTP status."""
        odd = chunk(b'data: {"usage":{"prompt_tokens":2,"completion_tokens":5000000}}\n\n')
        raw.script = stalling(STREAM, odd)
        got = await gateway.chat("one two", stream=True, max_tokens=None)
        assert (got.status_code, errors(got.text)["code"]) == (502, "model_failed")
        assert await fault_of(gateway) == (502, "model_failed")

    async def test_burst_of_tokens_is_billed_in_full(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        """Tokens of several reservation extensions arrive at once, as after a pause of the
        client."""
        raw.script = answering(STREAM + b"".join(map(event, range(1, 3001))) + done(3000))
        got = await gateway.chat("one two", stream=True, max_tokens=None)
        assert got.text.endswith("data: [DONE]\n\n")
        row = await gateway.row()
        # 2 x 500 + 3000 x 2000 = 6,001,000 nano-yuan.
        assert (row["error_code"], row["cost"]) == (None, "0.006001000")


class TestIdleConnection:
    async def test_connection_closed_while_idle_is_replaced(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        raw.script = in_turn([answering(answer(), close=True), answering(answer())])
        for _ in range(2):
            assert (await gateway.chat("one two")).status_code == 200
            await asyncio.sleep(0.05)
        assert raw.connections == 2

    async def test_connection_closed_during_request_returns_502_without_retry(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        raw.script = in_turn([answering(answer()), answering(close=True), answering(answer())])
        said = [(await gateway.chat("one two")).status_code for _ in range(3)]
        assert said == [200, 502, 200]
        assert len(raw.requests) == 3

    async def test_surplus_response_is_discarded(self, gateway: Gateway, raw: RawServer) -> None:
        raw.script = in_turn([answering(answer(3) + answer(4)), answering(answer(5))])
        used = [(await gateway.chat("one two")).json()["usage"] for _ in range(2)]
        assert [usage["completion_tokens"] for usage in used] == [3, 5]


class TestEndlessOutput:
    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        ("start", "part"),
        [
            (b"HTTP/1.1 200 OK\r\n", b"x-header: value\r\n"),
            (b"HTTP/1.1 200 OK\r\nx-endless: ", b"value"),
            (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
            (PLAIN + b"\r\n", b" "),
            (b"HTTP/1.1 500 Oops\r\n\r\n", b"Traceback"),
        ],
    )
    async def test_endless_headers_or_body_return_502_with_bounded_memory(
        self, gateway: Gateway, raw: RawServer, start: bytes, part: bytes, stream: bool
    ) -> None:
        raw.script = flooding(start, part)
        async with memory_within(96):
            got = await gateway.chat("one two", stream=stream)
        assert (got.status_code, error_of(got)["code"]) == (502, "model_failed")
        assert await fault_of(gateway) == (502, "model_failed")
        assert raw.sent < TAKEN

    async def test_endless_event_ends_stream_with_error(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        start = STREAM + event(1) + chunk(b"data: ")
        raw.script = flooding(start, chunk(b"x" * 65_000))
        async with memory_within(96):
            got = await gateway.chat("one two", stream=True)
        assert errors(got.text)["code"] == "model_failed"
        assert await fault_of(gateway) == (200, "model_failed")
        assert raw.sent < TAKEN

    @nightly
    async def test_endless_trailer_ends_stream_with_error(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        raw.script = flooding(STREAM + event(1) + b"0\r\nx: ", b"value")
        async with memory_within(96):
            got = await gateway.chat("one two", stream=True)
        assert errors(got.text)["code"] == "model_failed"
        assert await fault_of(gateway) == (200, "model_failed")

    @nightly
    async def test_endless_model_metadata_returns_502(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        raw.script = flooding(PLAIN + b"\r\n", b" ")
        async with memory_within(96):
            got = await gateway.http.get(f"/v2/models/{SPECIALIST}")
        assert (got.status_code, got.json()["code"]) == (502, "model_failed")
        assert raw.sent < TAKEN

    @nightly
    async def test_long_stream_is_forwarded_with_bounded_memory(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        """As many bytes as the flood, to a client that reads: all of them arrive with little
        memory.

        Two events per token, so that the stream has no more tokens than the model can generate.
        """
        count = FLOOD >> 16

        async def script(exchange: Exchange) -> None:
            await exchange.send(STREAM)
            for number in range(count):
                await exchange.send(event(number // 2, b"x" * (1 << 16)))
            await exchange.send(done(count // 2))

        raw.script = script
        taken, last = 0, b""
        async with memory_within(128), self._stream(gateway) as got:
            async for piece in got.aiter_raw():
                taken += len(piece)
                last = (last + piece)[-100:]
        assert taken > FLOOD
        assert last.endswith(b"data: [DONE]\n\n")
        row = await gateway.row()
        assert (row["settlement"], row["output_tokens"]) == ("complete", count // 2)

    async def test_client_that_does_not_read_pauses_upstream_and_is_disconnected(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        """The upstream is paused by backpressure; the client is disconnected and billed for what
        was sent."""
        raw.script = flooding(STREAM, event(7, b"x" * 65_000))
        async with memory_within(96), self._stream(gateway) as got:
            assert got.status_code == 200
            for _ in range(100):
                await asyncio.sleep(0.1)
                if raw.open == 0:
                    break
            row = await gateway.row()
        assert raw.sent < TAKEN
        assert (row["settlement"], row["status"]) == ("client_abort", 499)
        # 2 x 500 + 7 x 2000 = 15,000 nano-yuan.
        assert (row["output_tokens"], row["cost"]) == (7, "0.000015000")

    def _stream(self, gateway: Gateway) -> Any:
        message = {"role": "user", "content": "one two"}
        body = {"model": CHAT, "messages": [message], "max_tokens": 4000, "stream": True}
        timeout = httpx.Timeout(60)
        return gateway.http.stream("POST", "/v1/chat/completions", json=body, timeout=timeout)
