"""HTTP input that no client library sends: rejected with our error format or disconnected, without
harm to other clients."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.asgi.server_protocol import BoundedHttpProtocol, ConnectionLimits
from infra.database.database import Database
from tests.support import builders
from tests.support.builders import CHAT, Gateway, serve
from tests.support.fakes.upstream import run_fake_upstream
from tests.support.fleet import run_fleet
from tests.support.raw_http import Wire, is_unharmed, wire_to

HOST = b"host: x\r\n"
GET = b"GET /health/live HTTP/1.1\r\n" + HOST
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
LIVE = GET + b"\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"


@dataclass(frozen=True)
class Process:
    """A gateway process and a key for it."""

    url: str
    secret: str

    def chat(self, *headers: bytes) -> bytes:
        """The head of a call with a key."""
        return POST + b"authorization: Bearer %b\r\n%b" % (self.secret.encode(), b"".join(headers))


@pytest.fixture(scope="module")
async def process(postgres: str) -> AsyncIterator[Process]:
    """A real gateway process, as an operator starts it."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as folder:
        async with run_fake_upstream() as upstream:
            configured = builders.settings(postgres, Path(folder), upstream.url)
            builders.empty(postgres)
            database = Database(postgres, pool_size=1)
            _, key = await builders.customer(database, configured)
            await database.close()
            async with run_fleet(configured, 1) as fleet:
                yield Process(fleet.urls[0], key.secret)


class TestMalformedRequest:
    @pytest.mark.parametrize(
        "sent",
        [
            pytest.param(POST + b"content-length: 3\r\n" + CHUNKED + b"\r\n0\r\n\r\n", id="CL.TE"),
            pytest.param(POST + CHUNKED + b"content-length: 3\r\n\r\n0\r\n\r\n", id="TE.CL"),
            pytest.param(
                POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", id="two lengths"
            ),
            pytest.param(
                POST + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc", id="a length twice"
            ),
            pytest.param(POST + b"content-length: 3, 3\r\n\r\nabc", id="a list of lengths"),
            pytest.param(POST + b"content-length: +3\r\n\r\nabc", id="a length with a sign"),
            pytest.param(POST + b"content-length: 0x3\r\n\r\nabc", id="a length in hex"),
            pytest.param(POST + b"content-length: 3 3\r\n\r\nabc", id="a length with a space"),
            pytest.param(POST + b"content-length: \r\n\r\nabc", id="an empty length"),
            pytest.param(POST + b"content-length: " + b"9" * 40 + b"\r\n\r\n", id="a huge length"),
            pytest.param(POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", id="xchunked"),
            pytest.param(
                POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="TE list"
            ),
            pytest.param(POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", id="TE twice"),
            pytest.param(POST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n", id="TE space"),
            pytest.param(POST + CHUNKED + b"\r\n-1\r\n\r\n", id="a negative chunk"),
            pytest.param(POST + CHUNKED + b"\r\n0x1\r\na\r\n0\r\n\r\n", id="a chunk in 0x"),
            pytest.param(POST + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\n", id="a huge chunk"),
            pytest.param(POST + CHUNKED + b"\r\n1\r\nabc\r\n0\r\n\r\n", id="a chunk too long"),
            pytest.param(POST + CHUNKED + b"\r\n1 \r\na\r\n0\r\n\r\n", id="a chunk with a space"),
            pytest.param(POST + CHUNKED + b"\r\n1\na\r\n0\r\n\r\n", id="a chunk by bare LF"),
            pytest.param(GET + b"x-a: one\r\n two\r\n\r\n", id="obs-fold"),
            pytest.param(GET + b"x-a: one\r\n\ttwo\r\n\r\n", id="obs-fold by tab"),
            pytest.param(GET.replace(b"\r\n", b"\n") + b"\n", id="bare LF"),
            pytest.param(GET + b"x-a: b\n\r\n", id="bare LF once"),
            pytest.param(GET + b"x-a: b\rc: d\r\n\r\n", id="bare CR"),
            pytest.param(GET + b"x-a: b\x00c\r\n\r\n", id="NUL in a value"),
            pytest.param(GET + b"x-\x00a: b\r\n\r\n", id="NUL in a name"),
            pytest.param(b"GET /health\x00/live HTTP/1.1\r\n" + HOST + b"\r\n", id="NUL in a path"),
            pytest.param(GET + b"x a: b\r\n\r\n", id="a space in a name"),
            pytest.param(GET + b": b\r\n\r\n", id="no name"),
            pytest.param(GET + b"no colon\r\n\r\n", id="no colon"),
            pytest.param(b"GET /health/live HTTP/1.1\r\n\r\n", id="no host"),
            pytest.param(GET + b"host: y\r\n\r\n", id="two hosts"),
            pytest.param(b"GET /health/live HTTP/9.9\r\n" + HOST + b"\r\n", id="HTTP/9.9"),
            pytest.param(b"GET /health/live\r\n\r\n", id="HTTP/0.9"),
            pytest.param(b"get /health/live HTTP/1.1\r\n" + HOST + b"\r\n", id="a small method"),
            pytest.param(b"GET health/live HTTP/1.1\r\n" + HOST + b"\r\n", id="no slash"),
            pytest.param(b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", id="a byte in a path"),
            pytest.param(b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", id="a space in a path"),
            pytest.param(b"CONNECT db:5432 HTTP/1.1\r\n" + HOST + b"\r\n", id="CONNECT"),
            pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
            pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500, id="TLS"),
            pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n", id="SSH"),
        ],
    )
    async def test_malformed_request_returns_400_and_closes_connection(
        self, process: Process, sent: bytes
    ) -> None:
        async with wire_to(process.url) as wire:
            await wire.send(sent + LIVE)
            answer = await wire.answer()
            assert answer is None or answer.status == 400, answer
            if answer is not None:
                assert answer.error["code"] == "malformed_request"
                assert answer.headers["connection"] == "close"
            assert await wire.closed()
        assert await is_unharmed(process.url)


class TestRequestSizeLimit:
    @pytest.mark.parametrize(
        "sent",
        [
            pytest.param(GET + b"x-a: " + b"b" * (65 << 10) + b"\r\n\r\n", id="one header"),
            pytest.param(GET + b"x-" + b"a" * (65 << 10) + b": b\r\n\r\n", id="one name"),
            pytest.param(GET + b"x-a: " + b"b" * (1 << 20), id="one header without end"),
            pytest.param(GET + b"x-a: b\r\n" * 100 + b"\r\n", id="many headers"),
            pytest.param(GET + b"x-a: b\r\n" * 20_000, id="headers without end"),
            pytest.param(
                b"GET /" + b"a" * (65 << 10) + b" HTTP/1.1\r\n" + HOST + b"\r\n", id="a long path"
            ),
            pytest.param(b"GET /" + b"a" * (1 << 20), id="a path without end"),
        ],
    )
    async def test_headers_over_limit_are_rejected(self, process: Process, sent: bytes) -> None:
        async with wire_to(process.url) as wire:
            await wire.send(sent)
            answer = await wire.answer()
            # Bytes in flight when the server disconnects may discard the response.
            assert answer is None or answer.error["code"] == "headers_too_large"
            assert await wire.closed()
        assert await is_unharmed(process.url)

    @pytest.mark.parametrize("more", [b"x-a: b\r\n" * 99, b"x-a: " + b"b" * (60 << 10) + b"\r\n"])
    async def test_headers_at_limit_are_accepted(self, process: Process, more: bytes) -> None:
        async with wire_to(process.url) as wire:
            await wire.send(GET + more + b"\r\n")
            answer = await wire.answer()
            assert answer is not None
            assert answer.status == 200

    @pytest.mark.parametrize("head", [b"content-length: 99999999\r\n", CHUNKED])
    async def test_body_over_limit_returns_413(self, process: Process, head: bytes) -> None:
        """The limit is 4 MiB; chunks do not announce their total size."""
        async with wire_to(process.url) as wire:
            await wire.send(process.chat(head) + b"\r\n")
            if head is CHUNKED:
                await wire.send(*(b"10000\r\n" + b"x" * 65536 + b"\r\n" for _ in range(70)))
            answer = await wire.answer()
            assert answer is not None
            assert (answer.status, answer.error["code"]) == (413, "request_too_large")
        assert await is_unharmed(process.url)


class TestUnusualValidRequest:
    """Unusual but valid requests are answered, each with its own response."""

    async def test_absolute_target_is_answered(self, process: Process) -> None:
        async with wire_to(process.url) as wire:
            await wire.send(b"GET http://elsewhere/health/live HTTP/1.1\r\n" + HOST + b"\r\n")
            answer = await wire.answer()
            assert answer is not None
            assert answer.body == b'{"status":"ok"}'

    async def test_http_1_0_request_closes_connection(self, process: Process) -> None:
        async with wire_to(process.url) as wire:
            await wire.send(b"GET /health/live HTTP/1.0\r\nconnection: keep-alive\r\n\r\n" + LIVE)
            answer = await wire.answer()
            assert answer is not None
            assert answer.status == 200
            assert await wire.closed()

    async def test_pipelined_requests_are_answered_in_order(self, process: Process) -> None:
        async with wire_to(process.url) as wire:
            paths = [b"/health/live", b"/nowhere", b"/v1/models", b"/health/live"] * 10
            await wire.send(b"".join(b"GET %b HTTP/1.1\r\n%b\r\n" % (one, HOST) for one in paths))
            answers = [await wire.answer() for _ in paths]
            expected = [200, 404, 401, 200] * 10
            assert [answer and answer.status for answer in answers] == expected

    async def test_garbage_after_request_does_not_affect_its_response(
        self, process: Process
    ) -> None:
        body = json.dumps({"model": CHAT, "messages": [{"role": "user", "content": "a"}]}).encode()
        async with wire_to(process.url) as wire:
            await wire.send(
                process.chat(b"content-length: %d\r\n\r\n" % len(body)) + body + b"?\x00"
            )
            answer = await wire.answer()
            assert answer is not None
            assert (answer.status, "choices" in json.loads(answer.body)) == (200, True)
            assert await wire.closed()
        assert await is_unharmed(process.url)

    async def test_garbage_after_error_response_gets_no_second_response(
        self, process: Process
    ) -> None:
        async with wire_to(process.url) as wire:
            await wire.send(POST + CHUNKED + b"\r\n1\r\na\r\n")
            answer = await wire.answer()
            assert answer is not None
            assert answer.error["code"] == "missing_api_key"
            await wire.send(b"?\r\n")
            assert await wire.closed()

    @pytest.mark.parametrize(
        "protocol",
        [b"websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: YQ==", b"h2c", b"TLS/1.0"],
    )
    async def test_upgrade_request_is_answered_as_http_1_1(
        self, process: Process, protocol: bytes
    ) -> None:
        """Bytes after the request are never read."""
        async with wire_to(process.url) as wire:
            await wire.send(GET + b"connection: upgrade\r\nupgrade: %b\r\n\r\n" % protocol + LIVE)
            answer = await wire.answer()
            assert answer is not None
            assert answer.status == 200
            assert await wire.closed()
        assert await is_unharmed(process.url)

    async def test_upgrade_request_with_body_returns_400(self, process: Process) -> None:
        upgrade = b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\n{}"
        async with wire_to(process.url) as wire:
            await wire.send(process.chat(upgrade) + LIVE)
            answer = await wire.answer()
            assert answer is not None
            assert answer.status == 400
            assert await wire.closed()

    async def test_expect_100_continue_returns_100_before_body(self, process: Process) -> None:
        async with wire_to(process.url) as wire:
            await wire.send(process.chat(b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n"))
            interim = await wire.answer()
            assert interim is not None
            assert interim.status == 100
            await wire.send(b"{}")
            answer = await wire.answer()
            assert answer is not None
            assert answer.error["code"] == "invalid_value"


class Impatient(BoundedHttpProtocol):
    """The real protocol with short timeouts."""

    limits = ConnectionLimits(
        head_timeout_s=0.4,
        body_timeout_s=0.4,
        min_bytes_per_s=1_000_000,
        discard_timeout_s=0.4,
        check_interval_s=0.1,
    )


@pytest.fixture
async def impatient(gateway: Gateway) -> AsyncIterator[str]:
    """The URL of a second server with short timeouts, in front of the same application."""
    parts = builders.parts_like(gateway)
    async with serve(parts, Impatient) as url:
        yield url


async def drip(wire: Wire, part: bytes, most: int = 200) -> None:
    """Send a part repeatedly while the server is connected."""
    for _ in range(most):
        if wire.writer.is_closing():
            return
        await wire.send(part, pause_s=0.05)


class TestSlowClient:
    @pytest.mark.parametrize(
        ("begun", "part"),
        [(b"", b"\r\n"), (b"GET /", b"a"), (GET, b"x-a: b\r\n"), (LIVE, b"\r\n")],
        ids=["empty lines", "a path", "headers", "after a request"],
    )
    async def test_slow_headers_return_408(self, impatient: str, begun: bytes, part: bytes) -> None:
        async with wire_to(impatient) as wire, asyncio.TaskGroup() as group:
            await wire.send(begun)
            if begun == LIVE:
                answer = await wire.answer()
                assert answer is not None
                assert answer.status == 200
            dripping = group.create_task(drip(wire, part))
            late = await wire.answer()
            assert late is not None
            assert (late.status, late.error["code"]) == (408, "request_timeout")
            assert await wire.closed()
            dripping.cancel()
        assert await is_unharmed(impatient)

    async def test_silent_connection_is_closed(self, impatient: str) -> None:
        async with wire_to(impatient) as wire:
            assert await wire.closed()

    @pytest.mark.parametrize("path", [b"/stripe/webhook", b"/v1/vector_stores"])
    async def test_slow_body_returns_408(
        self, gateway: Gateway, impatient: str, path: bytes
    ) -> None:
        head = b"POST %b HTTP/1.1\r\n%bauthorization: Bearer %b\r\n%b\r\n"
        async with wire_to(impatient) as wire, asyncio.TaskGroup() as group:
            await wire.send(head % (path, HOST, gateway.key.secret.encode(), CHUNKED))
            dripping = group.create_task(drip(wire, b"1\r\na\r\n"))
            late = await wire.answer()
            assert late is not None
            assert (late.status, late.error["code"]) == (408, "request_timeout")
            assert await wire.closed()
            dripping.cancel()
        assert await is_unharmed(impatient)

    async def test_body_continued_after_response_is_disconnected(self, impatient: str) -> None:
        """At any speed: a client without a key cannot keep the gateway reading."""
        async with wire_to(impatient) as wire, asyncio.TaskGroup() as group:
            await wire.send(POST + CHUNKED + b"\r\n")
            sending = group.create_task(drip(wire, b"10000\r\n" + b"x" * 65536 + b"\r\n"))
            answer = await wire.answer()
            assert answer is not None
            assert answer.error["code"] == "missing_api_key"
            assert await wire.closed()
            sending.cancel()
        assert await is_unharmed(impatient)

    async def test_steady_body_and_idle_connection_are_accepted(
        self, gateway: Gateway, impatient: str
    ) -> None:
        """Each part of the body extends the deadline, and an idle connection may wait for its next
        request."""
        body = json.dumps({"model": CHAT, "messages": [{"role": "user", "content": "a"}]}).encode()
        body += b" " * 60_000
        head = POST + b"authorization: Bearer %b\r\n" % gateway.key.secret.encode()
        async with wire_to(impatient) as wire:
            for _ in range(2):
                await wire.send(head + b"content-length: %d\r\n\r\n" % len(body), body)
                answer = await wire.answer()
                assert answer is not None
                assert answer.status == 200
                await asyncio.sleep(0.7)
