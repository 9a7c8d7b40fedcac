"""Connection pool of upstreams: which connections are reused or closed, and the requests they
carry."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import uvloop

from gateway.upstream.http1 import (
    ConnectFailed,
    ConnectionBroken,
    ConnectionPool,
    Origin,
    encode_request,
)
from tests.support.fakes.raw_server import Exchange, Script, answering, in_turn, run_raw_server
from tests.support.gateway.asking import Asker, ask, until

pytestmark = pytest.mark.usefixtures("network")

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"content-length: 5\r\n\r\nwhole"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
async def asker() -> AsyncIterator[Asker]:
    async with run_raw_server() as raw:
        pool = ConnectionPool(connect_timeout_s=5.0, idle_s=4.0)
        yield Asker(pool, raw, Origin.from_url(raw.url))
        pool.close()


class TestConnectionReuse:
    async def test_one_connection_carries_many_calls(self, asker: Asker) -> None:
        await asker.ask(answering(WHOLE))
        before = asker.raw.connections
        for _ in range(20):
            assert await asker.ask() == (200, b"whole")
        assert asker.raw.connections == before

    @pytest.mark.parametrize(
        "excess",
        [
            WHOLE.replace(b"whole", b"other"),
            WHOLE.replace(b"200", b"500"),
            b"H",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"excess",
            b"\0",
        ],
    )
    @pytest.mark.parametrize("at_once", [True, False])
    async def test_excess_bytes_never_reach_the_next_response(
        self, asker: Asker, excess: bytes, at_once: bool
    ) -> None:
        pieces = (WHOLE + excess,) if at_once else (WHOLE, excess)
        asker.raw.script = in_turn([answering(*pieces), answering(WHOLE)])
        before = asker.raw.connections
        assert await asker.ask() == (200, b"whole")
        await asyncio.sleep(0.05)
        assert await asker.ask() == (200, b"whole")
        assert asker.raw.connections == before + 1 + (not before)

    async def test_excess_bytes_after_chunked_body_close_connection(self, asker: Asker) -> None:
        wire = CHUNKED + b"5\r\nwhole\r\n0\r\n\r\n"
        asker.raw.script = in_turn([answering(wire + wire), answering(WHOLE)])
        assert await asker.ask() == (200, b"whole")
        assert await asker.ask() == (200, b"whole")

    @pytest.mark.parametrize(
        "wire",
        [
            OK + b"connection: close\r\ncontent-length: 5\r\n\r\nwhole",
            OK + b"Connection: Close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nwhole",
        ],
    )
    async def test_connection_close_header_prevents_reuse(self, asker: Asker, wire: bytes) -> None:
        """The upstream leaves the connection open; it must still not be reused."""
        await asker.ask(answering(WHOLE))
        asker.raw.script = in_turn([answering(wire), answering(WHOLE)])
        before = asker.raw.connections
        assert await asker.ask() == (200, b"whole")
        assert await asker.ask() == (200, b"whole")
        assert asker.raw.connections == before + 1

    async def test_http_1_0_keep_alive_connection_is_reused(self, asker: Asker) -> None:
        wire = b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nwhole"
        await asker.ask(answering(wire))
        before = asker.raw.connections
        assert await asker.ask() == (200, b"whole")
        assert asker.raw.connections == before

    async def test_connection_with_paused_reading_is_not_reused(self, asker: Asker) -> None:
        """The response is complete but unread, and its last byte exceeded the buffer: reading was
        paused."""
        size = (256 << 10) + 1
        asker.raw.script = answering(OK + b"content-length: %d\r\n\r\n" % size, b"x" * size)
        connection = await asker.pool.acquire(asker.origin)
        await connection.send(encode_request(b"GET", asker.origin, "/", {}, b""))
        await until(lambda: connection.is_complete)
        asker.pool.release(asker.origin, connection)
        assert await asker.ask(answering(WHOLE)) == (200, b"whole")

    async def test_connection_closed_while_idle_is_replaced(self, asker: Asker) -> None:
        asker.raw.script = in_turn([answering(WHOLE, close=True), answering(WHOLE)])
        assert await asker.ask() == (200, b"whole")
        await asyncio.sleep(0.05)
        assert await asker.ask() == (200, b"whole")

    async def test_connection_closed_during_request_raises_without_retry(
        self, asker: Asker
    ) -> None:
        """Whether the upstream processed the call cannot be known: the error is raised and the call
        is not sent again."""

        async def leave(exchange: Exchange) -> None:
            exchange.close()

        asker.raw.script = in_turn([answering(WHOLE), leave, answering(WHOLE)])
        assert await asker.ask() == (200, b"whole")
        requests = len(asker.raw.requests)
        with pytest.raises(ConnectionBroken):
            await asker.ask()
        assert len(asker.raw.requests) == requests + 1
        assert await asker.ask() == (200, b"whole")


class TestConnectionPool:
    async def test_connection_idle_beyond_timeout_is_closed(self) -> None:
        async with run_raw_server(answering(WHOLE)) as raw:
            pool, origin = ConnectionPool(5.0, idle_s=0.1), Origin.from_url(raw.url)
            await ask(pool, origin, whole=True)
            await asyncio.sleep(0.2)
            await ask(pool, origin, whole=True)
            assert raw.connections == 2
            pool.close()

    async def test_pool_keeps_at_most_256_idle_connections(self) -> None:
        """Not all connections of a burst are kept."""
        async with run_raw_server(answering(WHOLE)) as raw:
            pool, origin = ConnectionPool(5.0, idle_s=60.0), Origin.from_url(raw.url)
            await asyncio.gather(*(ask(pool, origin, whole=True) for _ in range(300)))
            assert raw.connections == 300
            await until(lambda: raw.open == 256)
            pool.close()
            await until(lambda: raw.open == 0)

    async def test_unreachable_host_raises_connect_failed(self) -> None:
        pool = ConnectionPool(5.0, 4.0)
        for url in ("http://127.0.0.1:9", "http://no-such-host.invalid", f"http://{'a' * 80}"):
            with pytest.raises(ConnectFailed):
                await pool.acquire(Origin.from_url(url))


class TestOrigin:
    @pytest.mark.parametrize(
        ("url", "host", "port", "authority", "prefix"),
        [
            ("http://a.example", "a.example", 80, b"a.example", b""),
            ("http://a.example:80/", "a.example", 80, b"a.example", b""),
            ("http://a.example:443", "a.example", 443, b"a.example:443", b""),
            ("https://a.example", "a.example", 443, b"a.example", b""),
            ("https://a.example:80/x/y/", "a.example", 80, b"a.example:80", b"/x/y"),
            ("http://A.Example:8000/x%20y", "a.example", 8000, b"a.example:8000", b"/x%20y"),
            ("http://[::1]:8000/v", "::1", 8000, b"[::1]:8000", b"/v"),
            ("http://[::1]", "::1", 80, b"[::1]", b""),
            ("http://[fe80::1%eth0]:81", "fe80::1%eth0", 81, b"[fe80::1]:81", b""),
        ],
    )
    def test_url_is_parsed_into_host_port_and_prefix(
        self, url: str, host: str, port: int, authority: bytes, prefix: bytes
    ) -> None:
        origin = Origin.from_url(url)
        assert (origin.host, origin.port, origin.tls) == (host, port, url[4] == "s")
        assert (origin.authority, origin.prefix) == (authority, prefix)

    async def test_request_has_prefixed_path_and_host_header(self, asker: Asker) -> None:
        origin = Origin.from_url(f"{asker.raw.url}/serve/llm/")
        asker.raw.script = answering(WHOLE)
        await ask(asker.pool, origin, whole=True)
        assert asker.raw.requests[-1] == (
            b"POST /serve/llm/v1/x HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
            b"a: b\r\ncontent-length: 4\r\n\r\nbody" % asker.raw.port
        )

    async def test_ipv6_origin_is_reached_with_bracketed_host(self) -> None:
        async with run_raw_server(answering(WHOLE), host="::1") as raw:
            pool = ConnectionPool(5.0, 4.0)
            assert await ask(pool, Origin.from_url(raw.url), whole=True) == (200, b"whole")
            assert b"host: [::1]:%d\r\n" % raw.port in raw.requests[0]
            pool.close()


class TestUvloop:
    """The gateway runs on uvloop, whose transports differ from asyncio's."""

    def test_responses_are_read_as_on_asyncio(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._calls())

    async def _calls(self) -> None:
        scripts: Sequence[Script] = [
            answering(WHOLE),
            answering(OK + b"\r\nwho", b"le", close=True),
            answering(OK + b"content-length: 9\r\n\r\nwhole", close=True),
            answering(WHOLE + WHOLE),
            answering(CHUNKED, b"5\r\nwhole\r\n0\r\n\r\n"),
            self._reset,
            self._large,
        ]
        async with run_raw_server(in_turn(scripts)) as raw:
            pool, origin = ConnectionPool(5.0, 4.0), Origin.from_url(raw.url)
            said = [await _outcome(pool, origin) for _ in scripts]
            pool.close()
        assert said == [b"whole", b"whole", None, b"whole", b"whole", None, b"x" * (8 << 20)]

    async def _reset(self, exchange: Exchange) -> None:
        await exchange.send(OK + b"\r\nwho")
        exchange.reset()

    async def _large(self, exchange: Exchange) -> None:
        await exchange.send(OK + b"content-length: %d\r\n\r\n" % (8 << 20))
        await exchange.flood(b"x", 8 << 20)


async def _outcome(pool: ConnectionPool, origin: Origin) -> bytes | None:
    try:
        return (await ask(pool, origin, whole=True))[1]
    except ConnectionBroken:
        return None
