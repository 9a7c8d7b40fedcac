"""Responses are the same bytes as uvicorn's, whether their head is sent here or left to uvicorn."""

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.asgi.response_cycle import ResponseCycle

_LENGTH, _KIND = (b"content-length", b"2"), (b"content-type", b"text/plain")
Headers = list[tuple[bytes, bytes]]


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


async def respond(
    kind: type[RequestResponseCycle], headers: Headers, keep_alive: bool = True
) -> tuple[bytes, bool] | str:
    """What a response `ok` writes and whether it closes the connection, or its error."""
    transport, log = CollectingTransport(), logging.getLogger(__name__)
    cycle = kind(
        scope={"type": "http", "method": "GET"},  # type: ignore[typeddict-item]
        transport=transport,
        flow=FlowControl(transport),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[(b"date", b"today")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )
    start: Any = {"type": "http.response.start", "status": 200, "headers": headers}
    body: Any = {"type": "http.response.body", "body": b"ok", "more_body": False}
    try:
        await cycle.send(start)
        await cycle.send(body)
    except RuntimeError as error:
        return str(error)
    return transport.written, transport.closed


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([_LENGTH, _KIND], id="plain"),
        pytest.param([_KIND], id="chunked"),
        pytest.param([_LENGTH, (b"connection", b"close")], id="closing"),
        pytest.param([(b"transfer-encoding", b"chunked")], id="explicitly chunked"),
        pytest.param([_LENGTH, (b"set-cookie", b"a"), (b"set-cookie", b"b")], id="repeated"),
        pytest.param([_LENGTH, (b"x-name", b"caf\xc3\xa9 \t!")], id="bytes above ASCII"),
        pytest.param([_LENGTH, (b"x-empty", b"")], id="empty value"),
        pytest.param([_LENGTH, (b"x-split", b"a\r\nx-injected: b")], id="line break in a value"),
        pytest.param([_LENGTH, (b"x-split", b"a\nb")], id="line feed in a value"),
        pytest.param([_LENGTH, (b"x-null", b"a\x00")], id="NUL in a value"),
        pytest.param([_LENGTH, (b"x name", b"a")], id="space in a name"),
        pytest.param([_LENGTH, (b"x\r\nname", b"a")], id="line break in a name"),
        pytest.param([(b"content-length", b"3")], id="longer than the body"),
        pytest.param([(b"content-length", b"1")], id="shorter than the body"),
    ],
)
@pytest.mark.parametrize("keep_alive", [True, False])
async def test_response_is_that_of_uvicorn(headers: Headers, keep_alive: bool) -> None:
    expected = await respond(RequestResponseCycle, headers, keep_alive)
    assert await respond(ResponseCycle, headers, keep_alive) == expected
