"""Single requests to a raw server, and waiting for counts without events."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.upstream.http1 import ConnectionPool, Origin, encode_request
from tests.support.fakes.raw_server import RawServer, Script

LIMIT = 64 << 20


@dataclass
class Asker:
    """A connection pool and its server."""

    pool: ConnectionPool
    raw: RawServer
    origin: Origin

    async def ask(self, script: Script | None = None) -> tuple[int, bytes]:
        """Make a complete call; returns status and body."""
        if script is not None:
            self.raw.script = script
        return await ask(self.pool, self.origin, whole=True)


async def ask(pool: ConnectionPool, origin: Origin, whole: bool) -> tuple[int, bytes]:
    connection = await pool.acquire(origin)
    try:
        async with asyncio.timeout(20):
            await connection.send(encode_request(b"POST", origin, "/v1/x", {"a": "b"}, b"body"))
            if whole:
                body = await connection.read_all(LIMIT) or b""
            else:
                body = b""
                while part := await connection.read():
                    body += part
            return connection.status, body
    finally:
        pool.release(origin, connection)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.01)


async def standstill(count: Callable[[], int]) -> int:
    """Wait until the count no longer changes; returns it."""
    before = -1
    while before != count():
        before = count()
        await asyncio.sleep(0.3)
    return before
