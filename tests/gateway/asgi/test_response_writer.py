"""Whole responses are the same bytes as uvicorn's, written here or left to its `send`."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.asgi.response_writer import ResponseWriter
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.values import CallResult

_KIND = ("content-type", "text/plain")
Headers = dict[str, str]


class CollectingTransport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass


def response_cycle(method: str = "POST", keep_alive: bool = True) -> RequestResponseCycle:
    transport, log = CollectingTransport(), logging.getLogger(__name__)
    return RequestResponseCycle(
        scope={"type": "http", "method": method},  # type: ignore[typeddict-item]
        transport=transport,
        flow=FlowControl(transport),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[(b"date", b"today")],
        message_event=asyncio.Event(),
        expect_100_continue=True,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )


async def respond(cycle: RequestResponseCycle, headers: Headers, is_direct: bool) -> object:
    """What a response `ok` writes, and whether it closes the connection; or its error."""
    writer = ResponseWriter(cycle) if is_direct else None
    receive: Any = cycle.receive
    send: Any = cycle.send
    client = ClientExchange({}, receive, send, TimeoutWheel(), writer)
    result = CallResult(Settlement.COMPLETE, 200, b"", headers)
    try:
        await client.finish(result, b"ok")
    except (RuntimeError, UnicodeError) as error:
        return type(error)
    # Also what `receive` does after it: no `100 Continue`.
    after = None if cycle.flow.write_paused else await cycle.receive()
    transport: Any = cycle.transport
    return transport.written, transport.closed, cycle.response_complete, after


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(dict([_KIND]), id="plain"),
        pytest.param({"connection": "close"}, id="closing"),
        pytest.param({"x-name": "caf\xe9 \t!"}, id="bytes above ASCII"),
        pytest.param({"x-name": "\u4e2d"}, id="characters above Latin-1"),
        pytest.param({"x-empty": ""}, id="empty value"),
        pytest.param({"x-split": "a\r\nx-injected: b"}, id="line break in a value"),
        pytest.param({"x-split": "a\nb"}, id="line feed in a value"),
        pytest.param({"x-split": "a\r"}, id="carriage return at the end of a value"),
        pytest.param({"x-null": "a\x00"}, id="NUL in a value"),
        pytest.param({"x name": "a"}, id="space in a name"),
        pytest.param({"x\r\nname": "a"}, id="line break in a name"),
        pytest.param({"X-Name": "a"}, id="capital letters in a name"),
    ],
)
@pytest.mark.parametrize("keep_alive", [True, False])
async def test_response_is_that_of_uvicorn(headers: Headers, keep_alive: bool) -> None:
    expected = await respond(response_cycle(keep_alive=keep_alive), headers, is_direct=False)
    direct = await respond(response_cycle(keep_alive=keep_alive), headers, is_direct=True)
    assert _sorted_lines(direct) == _sorted_lines(expected)


def _sorted_lines(response: object) -> object:
    """The response with its header lines in order: `content-length` is the last one here."""
    return (
        (sorted(response[0].split(b"\r\n")), *response[1:])
        if isinstance(response, tuple)
        else response
    )


async def test_usual_response_is_written_at_once() -> None:
    cycle = response_cycle()
    assert ResponseWriter(cycle).write_response(200, [_KIND], b"ok")
    written = b"date: today\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
    transport: Any = cycle.transport
    assert transport.written == b"HTTP/1.1 200 OK\r\n" + written
    assert cycle.response_complete
    assert cycle.message_event.is_set()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda cycle: cycle.flow.pause_writing(), id="the client reads slowly"),
        pytest.param(lambda cycle: setattr(cycle, "disconnected", True), id="disconnected"),
        pytest.param(lambda cycle: setattr(cycle, "response_started", True), id="started"),
        pytest.param(lambda cycle: setattr(cycle, "access_log", True), id="with an access log"),
        pytest.param(lambda cycle: cycle.scope.update(method="HEAD"), id="to HEAD"),
    ],
)
async def test_response_in_other_states_is_left_to_send(
    change: Callable[[RequestResponseCycle], None],
) -> None:
    cycle = response_cycle()
    change(cycle)
    assert not ResponseWriter(cycle).write_response(200, [_KIND], b"ok")
    transport: Any = cycle.transport
    assert transport.written == b""
