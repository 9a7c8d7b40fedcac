"""Upstreams that fail in every way a server can, seen through the whole gateway.

The client is told in the documented shape, the row says who was at fault, nothing stays held, and
memory does not grow with what an upstream sends.
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

FLOOD = 256 << 20
# What of a flood may have been taken before it was cut: the kernel's buffers are the most of it.
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
    """The error that ends a stream, after which nothing comes."""
    *_, last = [part for part in text.split("\n\n") if part]
    error: dict[str, Any] = json.loads(last.removeprefix("data: "))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "[DONE]" not in text
    return error


async def fault_of(gateway: Gateway) -> tuple[int, str]:
    """Status and code of the one row, which must be our fault and cost nothing."""
    row = await gateway.row()
    assert (row["settlement"], row["cost"]) == ("platform_fault", "0.000000000")
    return row["status"], row["error_code"]


class TestBeforeTheFirstByte:
    @pytest.mark.parametrize("stream", [False, True])
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
    async def test_the_client_gets_a_status(
        self, gateway: Gateway, raw: RawServer, script: Script, status: int, code: str, stream: bool
    ) -> None:
        raw.script = script
        got = await gateway.chat("one two", stream=stream)
        assert (got.status_code, error_of(got)["code"]) == (status, code)
        assert await fault_of(gateway) == (status, code)
        assert len(raw.requests) == 1  # not sent again: it may be what brought the engine down


class TestAfterTheHeaders:
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
    async def test_half_an_answer_is_none(
        self, gateway: Gateway, raw: RawServer, script: Script, stream: bool, status: int, code: str
    ) -> None:
        """A reset is one also where the answer looks whole and only its end would have said so."""
        raw.script = script
        got = await gateway.chat("one two", stream=stream)
        assert (got.status_code, error_of(got)["code"]) == (status, code)
        assert await fault_of(gateway) == (status, code)


class TestInMidStream:
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
    async def test_the_client_is_told(
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
    async def test_after_done_it_is_whole_however_it_ends(
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

    async def test_what_cannot_be_cut_for_its_length(
        self, gateway: Gateway, raw: RawServer
    ) -> None:
        """More tokens than can be had, told by an event that is none of a stream. The event is
        withheld, so nothing has been sent yet and the call fails with a status of its own."""
        odd = chunk(b'data: {"usage":{"prompt_tokens":2,"completion_tokens":5000000}}\n\n')
        raw.script = stalling(STREAM, odd)
        got = await gateway.chat("one two", stream=True, max_tokens=None)
        assert (got.status_code, errors(got.text)["code"]) == (502, "model_failed")
        assert await fault_of(gateway) == (502, "model_failed")

    async def test_a_burst_is_paid_for(self, gateway: Gateway, raw: RawServer) -> None:
        """Tokens of several extensions in one piece, as when the client was slow meanwhile."""
        raw.script = answering(STREAM + b"".join(map(event, range(1, 3001))) + done(3000))
        got = await gateway.chat("one two", stream=True, max_tokens=None)
        assert got.text.endswith("data: [DONE]\n\n")
        row = await gateway.row()
        # 2 x 500 + 3000 x 2000 = 6,001,000 nano-yuan.
        assert (row["error_code"], row["cost"]) == (None, "0.006001000")


class TestIdleConnections:
    async def test_one_that_was_closed_meanwhile(self, gateway: Gateway, raw: RawServer) -> None:
        raw.script = in_turn([answering(answer(), close=True), answering(answer())])
        for _ in range(2):
            assert (await gateway.chat("one two")).status_code == 200
            await asyncio.sleep(0.05)
        assert raw.connections == 2

    async def test_one_that_is_closed_just_then(self, gateway: Gateway, raw: RawServer) -> None:
        raw.script = in_turn([answering(answer()), answering(close=True), answering(answer())])
        said = [(await gateway.chat("one two")).status_code for _ in range(3)]
        assert said == [200, 502, 200]
        assert len(raw.requests) == 3

    async def test_an_answer_too_many_is_nobodys(self, gateway: Gateway, raw: RawServer) -> None:
        raw.script = in_turn([answering(answer(3) + answer(4)), answering(answer(5))])
        used = [(await gateway.chat("one two")).json()["usage"] for _ in range(2)]
        assert [usage["completion_tokens"] for usage in used] == [3, 5]


class TestFloods:
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
    async def test_before_anything_was_shown(
        self, gateway: Gateway, raw: RawServer, start: bytes, part: bytes, stream: bool
    ) -> None:
        raw.script = flooding(start, part)
        async with memory_within(96):
            got = await gateway.chat("one two", stream=stream)
        assert (got.status_code, error_of(got)["code"]) == (502, "model_failed")
        assert await fault_of(gateway) == (502, "model_failed")
        assert raw.sent < TAKEN

    async def test_an_event_without_end(self, gateway: Gateway, raw: RawServer) -> None:
        start = STREAM + event(1) + chunk(b"data: ")
        raw.script = flooding(start, chunk(b"x" * 65_000))
        async with memory_within(96):
            got = await gateway.chat("one two", stream=True)
        assert errors(got.text)["code"] == "model_failed"
        assert await fault_of(gateway) == (200, "model_failed")
        assert raw.sent < TAKEN

    async def test_a_trailer_without_end(self, gateway: Gateway, raw: RawServer) -> None:
        raw.script = flooding(STREAM + event(1) + b"0\r\nx: ", b"value")
        async with memory_within(96):
            got = await gateway.chat("one two", stream=True)
        assert errors(got.text)["code"] == "model_failed"
        assert await fault_of(gateway) == (200, "model_failed")

    async def test_a_document_without_end(self, gateway: Gateway, raw: RawServer) -> None:
        raw.script = flooding(PLAIN + b"\r\n", b" ")
        async with memory_within(96):
            got = await gateway.http.get(f"/v2/models/{SPECIALIST}")
        assert (got.status_code, got.json()["code"]) == (502, "model_failed")
        assert raw.sent < TAKEN

    async def test_a_long_stream_goes_through(self, gateway: Gateway, raw: RawServer) -> None:
        """As much as the flood, to a client that takes it: all of it arrives, little is here.

        Two pieces a token, so that there are no more tokens than the model can make.
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

    async def test_to_a_client_that_does_not_read(self, gateway: Gateway, raw: RawServer) -> None:
        """The upstream is made to wait; the client is let go, and pays what was sent for it."""
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
