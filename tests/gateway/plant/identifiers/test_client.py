"""The client of other nodes against servers on real sockets that fail or lie."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.plant.identifiers.codes import parse_identifier
from gateway.plant.identifiers.delegations import require_node_url
from gateway.plant.identifiers.errors import (
    IdentifierInvalid,
    NodeUnreachable,
    StatementUntrusted,
)
from gateway.plant.identifiers.node.activity import NodeActivity
from gateway.plant.identifiers.node.client import HttpNodeClient
from infra.clock import SystemClock

PUMP = parse_identifier("88.100.5001/PUMP-1")
pytestmark = pytest.mark.usefixtures("network")
Answers = Callable[[int], bytes | None]


def response(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


@asynccontextmanager
async def serving(answer: Answers) -> AsyncIterator[tuple[str, list[int]]]:
    """Answer the requests of each connection; None closes it. Yields URL and connections."""
    connections: list[int] = []
    count = iter(range(100))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                content = answer(next(count))
                if content is None:
                    break
                writer.write(content)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", connections
    finally:
        server.close()


@asynccontextmanager
async def client(timeout_s: float = 2.0) -> AsyncIterator[tuple[HttpNodeClient, NodeActivity]]:
    clock = SystemClock()
    activity = NodeActivity(clock)
    one = HttpNodeClient(clock, activity, timeout_s)
    try:
        yield one, activity
    finally:
        await one.close()


async def test_connection_is_kept_and_replaced_when_the_node_closed_it() -> None:
    record = response(b'{"record": "a.b.c"}')
    async with (
        serving(lambda n: None if n == 2 else record) as (url, connections),
        client() as (
            one,
            activity,
        ),
    ):
        for _ in range(3):
            assert (await one.ask(url, PUMP)).record == "a.b.c"
        assert len(connections) == 2
        (peer,) = activity.peers()
        assert (peer["reachable"], peer["answered"], peer["failed"]) == (True, 3, 0)


@pytest.mark.parametrize(
    "content",
    [
        response(b"<html>", more="content-type: text/html\r\n"),
        response(b"[]"),
        response(b'{"revocations": 7}'),
        response(b'{"error": []}', "404 Not Found"),
        response(b" " * (600 << 10)),
    ],
    ids=["text", "list", "number", "error", "too large"],
)
async def test_answer_of_another_shape_is_untrusted(content: bytes) -> None:
    async with serving(lambda _: content) as (url, _), client() as (one, _):
        with pytest.raises(StatementUntrusted):
            await one.ask(url, PUMP)


@pytest.mark.parametrize(
    "content",
    [
        response(b"", "302 Found", "location: http://127.0.0.1:1/\r\n"),
        response(b"{}", "500 Internal Server Error"),
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}",
        None,
    ],
    ids=["redirect", "error", "no HTTP", "slow", "closed"],
)
async def test_node_that_does_not_answer_is_unreachable_and_shown_so(
    content: bytes | None,
) -> None:
    async with serving(lambda _: content) as (url, _), client(0.2) as (one, activity):
        with pytest.raises(NodeUnreachable):
            await one.ask(url, PUMP)
        (peer,) = activity.peers()
        assert (peer["reachable"], peer["failed"]) == (False, 1)


async def test_node_that_failed_is_not_asked_again_at_once() -> None:
    async with serving(lambda _: None) as (url, connections), client() as (one, _):
        for _ in range(3):
            with pytest.raises(NodeUnreachable):
                await one.ask(url, PUMP)
        assert len(connections) == 1


@pytest.mark.parametrize(
    "url",
    ["http://h/a b", "http://h/\r\nx: y", "http://ü.example", "http://h/\x7f", "http://u:p@h"],
)
def test_address_that_would_change_the_request_is_refused(url: str) -> None:
    with pytest.raises(IdentifierInvalid):
        require_node_url(url)
