"""The upstream's side of a call: what goes to the servers that run the models, and what comes back.

Owns asking them and telling apart the ways in which a server fails.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from billing.metering.usage import REQUEST_PREFIX
from gateway.call.errors import BROKEN_OFF, UpstreamFailed, UpstreamTimeout, UpstreamUnreachable
from gateway.call.values import Target
from gateway.upstream.error_mapping import Refusal, translate
from gateway.upstream.http1 import BrokenOff, ConnectFailed, Connection, Origin, Pool, request_bytes
from infra import ids
from infra.errors import AppError

_REFUSAL_BYTES = 64 << 10
# Shorter than the five seconds after which uvicorn drops an idle connection: a call sent into one
# that is just being closed would fail, and may not be sent twice.
_IDLE_S = 4.0


class Upstream:
    """One process's connections. `start` it within the event loop, `stop` it at the end."""

    def __init__(self, connect_timeout_s: float) -> None:
        self._pool = Pool(connect_timeout_s, _IDLE_S)
        self._origins: dict[str, Origin] = {}

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        self._pool.close()

    def open(self, target: Target) -> "Opening":
        """A block that sends the call and reads the answer; see Opening."""
        headers = {
            **target.ask.headers,
            "x-request-id": ids.show(REQUEST_PREFIX, target.request_id),
            **target.carried,
        }
        origin = self._origin(target.server)
        request = request_bytes(b"POST", origin, target.ask.path, headers, target.ask.body)
        return Opening(self._pool, origin, request, target)

    async def get(self, server: str, path: str, seconds: float) -> tuple[int, bytes]:
        """Fetch a small document: status and body. Raises as Opening does."""
        return await self._exchange(b"GET", server, path, {}, b"", seconds)

    async def put(
        self, server: str, path: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> tuple[int, bytes]:
        """Give a document: status and body of the answer. Raises as Opening does."""
        return await self._exchange(b"PUT", server, path, headers, body, seconds)

    async def delete(self, server: str, path: str, seconds: float) -> int:
        """Have a document removed: status of the answer. Raises as Opening does."""
        return (await self._exchange(b"DELETE", server, path, {}, b"", seconds))[0]

    async def _exchange(
        self,
        method: bytes,
        server: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float,
    ) -> tuple[int, bytes]:
        origin = self._origin(server)
        request = request_bytes(method, origin, path, headers, body)
        try:
            async with asyncio.timeout(seconds):
                return await self._fetch(origin, request)
        except TimeoutError:
            raise UpstreamTimeout("The model did not answer in time.") from None
        except (ConnectFailed, BrokenOff) as error:
            raise _fact(error) from error

    async def ask(self, servers: Sequence[str], path: str, seconds: float) -> tuple[int, bytes]:
        """The same of the first server that answers well; else what the last one said."""
        for server in servers[:-1]:
            with suppress(AppError):
                status, body = await self.get(server, path, seconds)
                if status == 200:
                    return status, body
        return await self.get(servers[-1], path, seconds)

    async def _fetch(self, origin: Origin, request: bytes) -> tuple[int, bytes]:
        connection = await self._pool.take(origin)
        try:
            await connection.send(request)
            body = await connection.read_whole(_REFUSAL_BYTES)
            if body is None:
                raise BrokenOff
            return connection.status, body
        finally:
            self._pool.give_back(origin, connection)

    def _origin(self, server: str) -> Origin:
        origin = self._origins.get(server)
        if origin is None:
            origin = self._origins[server] = Origin.of(server)
        return origin


class Opening:
    """Sends the call; the block reads the answer. Leaving it early ends the generation.

    Raises UpstreamUnreachable, UpstreamFailed, and what the upstream's refusal means in our words.
    """

    __slots__ = ("_connection", "_origin", "_pool", "_request", "_target")

    def __init__(self, pool: Pool, origin: Origin, request: bytes, target: Target) -> None:
        self._pool = pool
        self._origin = origin
        self._request = request
        self._target = target
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        try:
            self._connection = connection = await self._pool.take(self._origin)
            await connection.send(self._request)
            if connection.status != 200:
                raise translate(await _refusal(connection), self._target.ask)
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return connection

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._connection is not None:
            self._pool.give_back(self._origin, self._connection)
        if isinstance(error, ConnectFailed | BrokenOff):
            raise _fact(error) from error


def _fact(error: ConnectFailed | BrokenOff) -> AppError:
    if isinstance(error, ConnectFailed):
        return UpstreamUnreachable("The model cannot be reached just now. The call is not billed.")
    return UpstreamFailed(BROKEN_OFF)


async def _refusal(connection: Connection) -> Refusal:
    body = await connection.read_whole(_REFUSAL_BYTES)
    return Refusal(connection.status, body or b"", ours=b"x-maas-error" in connection.headers)
