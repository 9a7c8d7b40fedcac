"""Trailer fields of a request body: limited, discarded, and never used as headers."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.access.api_keys import IssuedKey
from gateway.access.key_scopes import Scope, change_scope
from gateway.identity.audit_log import CLI_ACTOR
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support import builders
from tests.support.builders import CHAT
from tests.support.fakes.upstream import run_fake_upstream
from tests.support.fleet import run_fleet
from tests.support.raw_http import Answer, Wire, is_unharmed, wire_to
from tests.support.waiting import PATIENCE_S

HOST, CHUNKED = b"host: x\r\n", b"transfer-encoding: chunked\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n"
BODY = json.dumps(
    {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}
).encode()
ROUTES = ["/v1/chat/completions", "/v1/vector_stores", "/stripe/webhook", "/health/live"]
FIELD = b"x-filler: " + b"a" * 90 + b"\r\n"


@dataclass(frozen=True)
class Process:
    """A gateway behind a trusted proxy, a key, and a key restricted to a network."""

    url: str
    key: IssuedKey
    limited: IssuedKey

    async def rows(self) -> list[dict[str, Any]]:
        headers = {"authorization": f"Bearer {self.key.secret}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers) as http:
            rows = (await http.get("/v1/usage?limit=1000")).json()["data"]
        return list(rows)


@pytest.fixture(scope="module")
async def process(postgres: str) -> AsyncIterator[Process]:
    builders.empty(postgres)
    database = Database(postgres, pool_size=1)
    with tempfile.TemporaryDirectory(prefix="maas-test-") as folder:
        async with run_fake_upstream() as upstream:
            configured = builders.settings(
                postgres, Path(folder), upstream.url, trusted_proxies="127.0.0.1"
            )
            _, key = await builders.customer(database, configured)
            account, limited = await builders.customer(database, configured, "Other")
            scope = Scope(networks=["203.0.113.0/24"])
            async with database.transaction() as session:
                place = account.id, limited.row.id, scope
                await change_scope(session, SystemClock(), CLI_ACTOR, *place)
            await database.close()
            async with run_fleet(configured, 1) as fleet:
                yield Process(fleet.urls[0], key, limited)


def chunked(path: str, *headers: bytes, body: bytes = BODY, trailers: bytes = b"") -> bytes:
    """A request with a body of one chunk, followed by these trailers."""
    head = b"POST %b HTTP/1.1\r\n%b%b%b\r\n" % (path.encode(), HOST, CHUNKED, b"".join(headers))
    return head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers)


def bearer(key: IssuedKey) -> bytes:
    return b"authorization: Bearer %b\r\n" % key.secret.encode()


async def answer_to(process: Process, *parts: bytes) -> Answer | None:
    async with wire_to(process.url) as wire:
        await wire.send(*parts)
        return await wire.answer()


class TestTrailerFields:
    async def test_key_in_trailer_of_chat_call_is_ignored(self, process: Process) -> None:
        before = await process.rows()
        answer = await answer_to(process, chunked(ROUTES[0], trailers=bearer(process.key)))
        assert answer is not None
        assert (answer.status, answer.error["code"]) == (401, "missing_api_key")
        assert await process.rows() == before

    async def test_key_in_trailer_of_other_route_is_ignored(self, process: Process) -> None:
        body = b'{"name": "a"}'
        sent = chunked("/v1/vector_stores", body=body, trailers=bearer(process.key))
        answer = await answer_to(process, sent)
        assert answer is not None
        assert (answer.status, answer.error["code"]) == (401, "missing_api_key")

    async def test_trailer_does_not_override_client_address_from_proxy(
        self, process: Process
    ) -> None:
        sent = chunked(
            ROUTES[0],
            bearer(process.limited),
            b"x-forwarded-for: 198.51.100.9\r\n",
            trailers=b"x-forwarded-for: 203.0.113.7\r\n",
        )
        answer = await answer_to(process, sent)
        assert answer is not None
        assert (answer.status, answer.error["code"]) == (403, "api_key_network")

    @pytest.mark.parametrize("field", [b"x-max-cost: 0", b"x-maas-tags: a=b", b"x-empty:"])
    async def test_short_trailer_is_discarded(self, process: Process, field: bytes) -> None:
        """Also if it arrives byte by byte; and it does not become a header of the next request."""
        sent = chunked(ROUTES[0], bearer(process.key), trailers=field + b"\r\n")
        cut = len(sent) - len(field) - 4
        async with wire_to(process.url) as wire:
            parts = [sent[:cut], *(sent[at : at + 1] for at in range(cut, len(sent)))]
            await wire.send(*parts, pause_s=0.001)
            for more in (chunked(ROUTES[0], bearer(process.key)), LIVE):
                answer = await wire.answer()
                assert answer is not None
                assert answer.status == 200
                assert answer.headers.get("x-maas-max-tokens") is None
                await wire.send(more)
        assert all(not row["tags"] for row in await process.rows())


async def _until_answered(wire: Wire, begun: bytes, part: bytes, done: asyncio.Task[bytes]) -> None:
    """Send a part repeatedly, in packets of its own, until the server closes or has 10,000 bytes.

    Sending does not wait for the server: how much is sent before it answers says nothing.
    """
    await wire.send(begun)
    sent = 0
    while not done.done() and sent < 10_000:
        await wire.send(part, pause_s=0.001)
        await asyncio.sleep(0)  # after a disconnect, `send` does not yield to other tasks
        sent += len(part)


async def _all_of(wire: Wire) -> bytes:
    """All bytes from the server until it ends the connection, even by a reset."""
    said = b""
    with suppress(ConnectionError):
        while more := await wire.reader.read(1 << 16):
            said += more
    return said


class TestTrailerLimit:
    @pytest.mark.parametrize("path", ROUTES)
    @pytest.mark.parametrize(
        "trailers",
        [
            pytest.param(FIELD * 20, id="many fields"),
            pytest.param(b"x-a: " + b"a" * 2_000 + b"\r\n", id="one value"),
            pytest.param(b"x-" + b"a" * 2_000 + b": b\r\n", id="one name"),
            pytest.param(b"a:\r\n" * 500, id="empty fields"),
        ],
    )
    async def test_trailers_over_limit_return_431_and_close_connection(
        self, process: Process, path: str, trailers: bytes
    ) -> None:
        async with wire_to(process.url) as wire:
            await wire.send(chunked(path, bearer(process.key), trailers=trailers) + LIVE)
            answer = await wire.answer()
            assert answer is not None
            assert (answer.status, answer.error["code"]) == (431, "headers_too_large")
            assert await wire.closed()
        assert await is_unharmed(process.url)

    @pytest.mark.parametrize("path", ROUTES)
    @pytest.mark.parametrize(
        "part",
        [
            pytest.param(FIELD, id="fields"),
            pytest.param(b"a" * 100, id="one field without end"),
            pytest.param(b"a:\r\n", id="empty fields"),
        ],
    )
    async def test_trailers_in_many_packets_are_counted_together(
        self, process: Process, path: str, part: bytes
    ) -> None:
        """Whether the request waits for them or was rejected before they arrived."""
        begun = chunked(path, bearer(process.key)).removesuffix(b"\r\n")
        async with wire_to(process.url) as wire, asyncio.TaskGroup() as group:
            answer = group.create_task(_all_of(wire))
            await _until_answered(wire, begun, part, answer)
            async with asyncio.timeout(PATIENCE_S):
                assert b"HTTP/1.1 200" not in await answer
        assert await is_unharmed(process.url)

    async def test_call_with_trailers_over_limit_is_not_billed(self, process: Process) -> None:
        before = len(await process.rows())
        sent = chunked(ROUTES[0], bearer(process.key), trailers=FIELD * 20)
        answer = await answer_to(process, sent)
        assert answer is not None
        assert answer.status == 431
        rows = await process.rows()
        assert {row["cost"] for row in rows[: len(rows) - before]} <= {"0.000000000"}

    async def test_chunk_extensions_over_limit_return_431(self, process: Process) -> None:
        head = chunked(ROUTES[0], bearer(process.key)).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        async with wire_to(process.url) as wire:
            await wire.send(head, b"1;" + b"a" * 300, pause_s=0.05)
            await wire.send(b"a" * 300)
            answer = await wire.answer()
            assert answer is not None
            assert (answer.status, answer.error["code"]) == (431, "headers_too_large")
            assert await wire.closed()

    async def test_many_small_chunks_are_accepted(self, process: Process) -> None:
        head = chunked(ROUTES[0], bearer(process.key)).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        body = BODY + b" " * 20_000
        chunks = b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in body)
        answer = await answer_to(process, head, chunks, b"0\r\n\r\n")
        assert answer is not None
        assert answer.status == 200

    async def test_pipelined_requests_with_trailers_are_answered_in_order(
        self, process: Process
    ) -> None:
        call = chunked(ROUTES[0], bearer(process.key), trailers=b"a: b\r\n")
        async with wire_to(process.url) as wire:
            await wire.send(LIVE + call + LIVE + call)
            answers = [await wire.answer() for _ in range(4)]
            assert [answer and answer.status for answer in answers] == [200] * 4
