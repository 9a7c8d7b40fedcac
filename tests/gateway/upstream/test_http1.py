"""HTTP/1.1 connections to upstreams: parsing of any response, complete or cut off, and bounds on
its size."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstream.http1 import ConnectionBroken, ConnectionPool, Origin, encode_request
from tests.support.fakes.raw_server import Exchange, answering, run_raw_server
from tests.support.gateway.asking import LIMIT, Asker, ask, standstill, until
from tests.support.nightly import at_length

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


@dataclass
class Wire:
    """A valid response: its bytes, their meaning, and whether it ends by closing the connection."""

    head: bytes
    rest: bytes
    status: int
    body: bytes
    until_closed: bool

    @property
    def bytes(self) -> bytes:
        return self.head + self.rest


_NAMES = st.sampled_from(["x-a", "Content-Type", "Server", "x-very-long-" + "n" * 300])
_VALUES = st.text("abcXYZ 0;=/,\"'", max_size=40).map(str.strip)
_INTERIM = st.sampled_from(
    [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"]
)


@st.composite
def _chunks(draw: st.DrawFn, body: bytes) -> bytes:
    """The body in chunks, with the extensions and trailers that HTTP allows."""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    extension = draw(st.sampled_from([b"", b";a", b";name=value", b';q="x y"']))
    parts = [body[a:b] for a, b in itertools.pairwise([0, *cuts, len(body)])]
    chunks = b"".join(b"%X%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part)
    trailers = draw(st.sampled_from([b"", b"x-sum: 1\r\n", b"content-type: evil\r\nx: y\r\n"]))
    return chunks + b"0" + extension + b"\r\n" + trailers + b"\r\n"


@st.composite
def responses(draw: st.DrawFn) -> Wire:
    body = draw(st.binary(max_size=200))
    kind = draw(st.sampled_from(["length", "chunked", "closed", "old", "empty"]))
    status = 204 if kind == "empty" else draw(st.sampled_from([200, 201, 404, 503]))
    lines = draw(st.lists(st.tuples(_NAMES, _VALUES), max_size=3))
    headers = "".join(f"{name}: {value}\r\n" for name, value in lines).encode()
    version = b"HTTP/1.0" if kind == "old" else b"HTTP/1.1"
    rest = body
    match kind:
        case "length":
            headers += b"Content-Length: %d\r\n" % len(body)
        case "chunked":
            headers += b"Transfer-Encoding: chunked\r\n"
            rest = draw(_chunks(body))
        case "empty":
            body = rest = b""
    interim = draw(_INTERIM) if kind != "old" else b""
    head = interim + version + b" %d some reason\r\n" % status + headers + b"\r\n"
    return Wire(head, rest, status, body, kind in ("closed", "old"))


class TestGeneratedResponse:
    @settings(max_examples=at_length(300, 60))
    @given(responses(), st.lists(st.integers(0, 700), max_size=8), st.booleans())
    async def test_response_is_parsed_equally_in_any_fragments(
        self, asker: Asker, wire: Wire, cuts: list[int], whole: bool
    ) -> None:
        places = [0, *sorted(cuts), len(wire.bytes)]
        pieces = [wire.bytes[a:b] for a, b in itertools.pairwise(places)]
        asker.raw.script = answering(*pieces, close=wire.until_closed)
        assert await ask(asker.pool, asker.origin, whole) == (wire.status, wire.body)

    @settings(max_examples=at_length(300, 60))
    @given(responses(), st.integers(0, 10_000), st.booleans(), st.booleans())
    async def test_cut_off_response_is_never_complete(
        self, asker: Asker, wire: Wire, place: int, reset: bool, whole: bool
    ) -> None:
        # A body that ends with the connection is complete after a clean close: cut only its head.
        end = len(wire.head) if wire.until_closed and not reset else len(wire.bytes)
        place %= end

        async def script(exchange: Exchange) -> None:
            await exchange.send(wire.bytes[:place])
            exchange.reset() if reset else exchange.close()

        asker.raw.script = script
        with pytest.raises(ConnectionBroken):
            await ask(asker.pool, asker.origin, whole)


class TestResponseFraming:
    @pytest.mark.parametrize(
        "wire",
        [
            OK + b"content-length: 6\r\n\r\nwhole",
            OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
            OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
            OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nwhole",
            OK + b"content-length: -5\r\n\r\nwhole",
            OK + b"content-length: 99999999999999999999999\r\n\r\nwhole",
            OK + b"transfer-encoding: gzip\r\n\r\nwhole",
            CHUNKED + b"5\r\nwhole\r\n",
            CHUNKED + b"5\r\nwholesome\r\n0\r\n\r\n",
            CHUNKED + b"-5\r\nwhole\r\n0\r\n\r\n",
            CHUNKED + b"fffffffffffffffff\r\nwhole\r\n0\r\n\r\n",
            OK + b"x-half: ",
            OK + b"bad header\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nwhole",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\nwhole",
            b"SSH-2.0-OpenSSH_9.9\r\n",
            b"\x15\x03\x01\x00\x02\x02",
            b"<html>" * 50,
            b"GET / HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"",
        ],
    )
    async def test_invalid_response_raises_connection_broken(
        self, asker: Asker, wire: bytes
    ) -> None:
        with pytest.raises(ConnectionBroken):
            await asker.ask(answering(wire, close=True))

    async def test_content_length_ends_body_before_connection_close(self, asker: Asker) -> None:
        assert await asker.ask(answering(WHOLE, close=True)) == (200, b"whole")

    async def test_trailer_does_not_replace_header(self, asker: Asker) -> None:
        asker.raw.script = answering(
            OK + b"Content-Type: a\r\ntransfer-encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n0\r\ncontent-type: evil\r\n\r\n",
        )
        connection = await asker.pool.acquire(asker.origin)
        await connection.send(encode_request(b"GET", asker.origin, "/", {}, b""))
        assert await connection.read_all(LIMIT) == b"x"
        assert connection.headers[b"content-type"] == b"a"
        asker.pool.release(asker.origin, connection)

    async def test_interim_responses_leave_no_headers(self, asker: Asker) -> None:
        hints = b"HTTP/1.1 103 Early Hints\r\nx-maas-error: 1\r\n\r\n" * 3
        asker.raw.script = answering(hints, WHOLE)
        connection = await asker.pool.acquire(asker.origin)
        await connection.send(encode_request(b"GET", asker.origin, "/", {}, b""))
        assert await connection.read_all(LIMIT) == b"whole"
        assert connection.headers == {b"content-length": b"5"}
        asker.pool.release(asker.origin, connection)

    async def test_body_over_size_limit_is_not_read(self, asker: Asker) -> None:
        asker.raw.script = answering(OK + b"content-length: 1000000\r\n\r\n" + b"x" * 1_000_000)
        connection = await asker.pool.acquire(asker.origin)
        await connection.send(encode_request(b"GET", asker.origin, "/", {}, b""))
        assert await connection.read_all(100_000) is None
        asker.pool.release(asker.origin, connection)
        assert await asker.ask(answering(WHOLE)) == (200, b"whole")


class TestResponseBounds:
    """Endless output of an upstream is not read without bound."""

    @pytest.mark.parametrize(
        ("start", "part"),
        [
            (OK, b"x-header: value\r\n"),
            (OK + b"x-endless: ", b"value "),
            (OK + b"x-", b"name"),
            (b"HTTP/1.1 200 ", b"reason "),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            (b"", b"\r\n"),
            (CHUNKED + b"1\r\nx\r\n0\r\n", b"x-trailer: value\r\n"),
            (CHUNKED + b"1\r\nx\r\n0\r\nx-trailer: ", b"value "),
            (CHUNKED + b"1\r\nx\r\n1;extension=", b"value"),
            (CHUNKED + b"1\r\nx\r\n", b"0"),
        ],
    )
    async def test_endless_headers_trailers_and_chunk_sizes_raise_connection_broken(
        self, asker: Asker, start: bytes, part: bytes
    ) -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.send(start)
            await exchange.flood(part, 64 << 20)

        before = asker.raw.sent
        with pytest.raises(ConnectionBroken):
            await asker.ask(script)
        assert asker.raw.sent - before < 32 << 20  # including the kernel's buffers

    async def test_large_headers_are_accepted(self, asker: Asker) -> None:
        lines = b"".join(b"x-%d: %b\r\n" % (n, b"v" * 900) for n in range(60))
        status, _ = await asker.ask(answering(OK + lines, b"content-length: 0\r\n\r\n"))
        assert status == 200

    async def test_many_small_chunks_are_accepted(self, asker: Asker) -> None:
        """Their sizes and line ends exceed the header limit in total; each arrives in a read of its
        own."""

        async def script(exchange: Exchange) -> None:
            await exchange.send(CHUNKED)
            for _ in range(15_000):
                await exchange.send(b"1\r\n", b"x\r\n")
            await exchange.send(b"0\r\n\r\n")

        assert await asker.ask(script) == (200, b"x" * 15_000)

    async def test_fast_upstream_is_paused_by_backpressure(self, asker: Asker) -> None:
        total = 96 << 20

        async def script(exchange: Exchange) -> None:
            await exchange.send(OK + b"content-length: %d\r\n\r\n" % total)
            await exchange.flood(b"x" * (1 << 16), total)

        asker.raw.script = script
        before = asker.raw.sent
        connection = await asker.pool.acquire(asker.origin)
        await connection.send(encode_request(b"GET", asker.origin, "/", {}, b""))
        await until(lambda: asker.raw.sent > before + 1000)
        waiting = await standstill(lambda: asker.raw.sent)
        assert waiting - before < total // 3  # mostly the kernel's buffers
        size = 0
        while part := await connection.read():
            assert len(part) < 1 << 20
            size += len(part)
        assert size == total
        asker.pool.release(asker.origin, connection)
        assert await asker.ask(answering(WHOLE)) == (200, b"whole")

    async def test_unread_request_is_dropped_from_write_buffer(self) -> None:
        async def refuse_to_read(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            accepted.append(writer)

        accepted: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(refuse_to_read, "127.0.0.1", 0)
        origin = Origin.from_url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        pool = ConnectionPool(5.0, 4.0)
        connection = await pool.acquire(origin)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await connection.send(encode_request(b"POST", origin, "/", {}, b"x" * (32 << 20)))
        transport = connection._transport
        assert transport is not None
        assert transport.get_write_buffer_size() > 0
        pool.release(origin, connection)
        await until(lambda: transport.get_write_buffer_size() == 0)
        with pytest.raises(ConnectionBroken):
            await connection.send(b"")
        accepted[0].transport.abort()
        server.close()
