"""Chunks written past uvicorn's `send`: the bytes that `send` writes, and only where it would."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.asgi.exchange import ClientExchange
from gateway.asgi.response_writer import ResponseWriter
from gateway.asgi.timeouts import TimeoutWheel


class Wire:
    """The transport of one response, and its ASGI cycle."""

    def __init__(self, method: str = "POST") -> None:
        self.written = b""
        self.paused = False
        transport: Any = SimpleNamespace(
            write=self._write, close=lambda: None, pause_reading=lambda: None
        )
        self.flow = FlowControl(transport)
        scope: Any = {"method": method}
        nothing: Any = None  # the cycle neither logs nor receives
        self.cycle = RequestResponseCycle(
            scope,
            transport,
            self.flow,
            logger=nothing,
            access_logger=nothing,
            access_log=False,
            default_headers=[],
            message_event=nothing,
            expect_100_continue=False,
            keep_alive=True,
            on_response=lambda: None,
        )

    def _write(self, data: bytes) -> None:
        self.written += data

    async def start(self, *headers: tuple[bytes, bytes]) -> None:
        await self.cycle.send(
            {"type": "http.response.start", "status": 200, "headers": list(headers)}
        )
        self.written = b""

    def write(self, data: bytes) -> bool:
        return ResponseWriter(self.cycle).write_chunk(data)


async def test_chunk_has_the_bytes_that_send_writes() -> None:
    direct, sent = Wire(), Wire()
    for wire in (direct, sent):
        await wire.start()
    assert direct.write(b"x" * 300)
    await sent.cycle.send({"type": "http.response.body", "body": b"x" * 300, "more_body": True})
    assert direct.written == sent.written


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda wire: wire.flow.pause_writing(), id="the client reads slowly"),
        pytest.param(lambda wire: setattr(wire.cycle, "disconnected", True), id="disconnected"),
        pytest.param(lambda wire: setattr(wire.cycle, "response_complete", True), id="complete"),
    ],
)
async def test_chunk_in_other_states_is_left_to_send(change: Callable[[Wire], None]) -> None:
    wire = Wire()
    await wire.start()
    change(wire)
    assert not wire.write(b"a")
    assert wire.written == b""


async def test_empty_chunk_which_would_end_the_body_is_not_written() -> None:
    wire = Wire()
    await wire.start()
    assert not wire.write(b"")


async def test_body_with_a_length_or_before_the_headers_is_left_to_send() -> None:
    wire = Wire()
    assert not wire.write(b"a")
    await wire.start((b"content-length", b"1"))
    assert not wire.write(b"a")


async def test_response_to_head_has_no_body() -> None:
    wire = Wire("HEAD")
    await wire.start((b"transfer-encoding", b"chunked"))
    assert not wire.write(b"a")


async def test_exchange_falls_back_to_send() -> None:
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    for accepts in (True, False):
        writer: Any = SimpleNamespace(write_chunk=lambda _data: accepts)  # noqa: B023
        client = ClientExchange({}, receive, send, TimeoutWheel(), writer)
        assert client.try_write(b"a") is None
    assert [event["body"] for event in sent] == [b"a"]
