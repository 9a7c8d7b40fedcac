"""Asks other nodes over HTTP, with bounded time and size and without following redirects."""

import asyncio
from typing import Any
from urllib.parse import quote

import msgspec

from gateway.plant.identifiers.cache import ExpiringCache
from gateway.plant.identifiers.codes import Identifier
from gateway.plant.identifiers.errors import NodeUnreachable, StatementUntrusted
from gateway.plant.identifiers.node.activity import NodeActivity
from gateway.plant.identifiers.resolution import NodeAnswer
from gateway.upstream.http1 import (
    ConnectFailed,
    Connection,
    ConnectionBroken,
    ConnectionPool,
    Origin,
    encode_request,
)
from infra.clock import Clock

_MAX_BYTES = 512 << 10
_DOWN_S = 1.0
_STATUSES = (200, 404)
_MAX_REQUESTS = 64
_IDLE_S = 50.0  # below the time for which a node keeps an idle connection
_MAX_ORIGINS = 1_000


class HttpNodeClient:
    """A client of other nodes on kept-alive connections. `close` it at the end.

    A node that did not answer within `timeout_s` is not asked again for a second, so that its
    failure does not hold the requests of others for `timeout_s` each.
    """

    def __init__(self, clock: Clock, activity: NodeActivity, timeout_s: float = 2.0) -> None:
        self._activity = activity
        self._timeout_s = timeout_s
        self._pool = ConnectionPool(timeout_s, _IDLE_S)
        self._slots = asyncio.Semaphore(_MAX_REQUESTS)
        self._down: ExpiringCache[str, bool] = ExpiringCache(1_000, clock.monotonic)
        self._origins: ExpiringCache[str, Origin] = ExpiringCache(_MAX_ORIGINS, clock.monotonic)

    async def ask(self, node: str, identifier: Identifier) -> NodeAnswer:
        """Return what a node answers iteratively. Raises NodeUnreachable, StatementUntrusted."""
        if self._down.get(node):
            raise _unreachable(node)
        path = f"/v1/resolve?mode=iterative&id={quote(identifier.text, safe='')}"
        try:
            async with self._slots, asyncio.timeout(self._timeout_s):
                status, body = await self._get(node, path)
        except (ConnectFailed, ConnectionBroken, TimeoutError, ValueError):
            self._down.put(node, value=True, ttl_s=_DOWN_S)
            self._activity.failed(node)
            raise _unreachable(node) from None
        if status not in _STATUSES:
            self._activity.failed(node)
            raise _unreachable(node)
        self._activity.answered(node)
        return _parse(node, status, body)

    async def _get(self, node: str, path: str) -> tuple[int, bytes]:
        """Return status and body of a GET, of at most `_MAX_BYTES`.

        A kept-alive connection that the node closes meanwhile is replaced once.
        """
        origin = self._origin(node)
        request = encode_request(b"GET", origin, path, {}, b"")
        connection = await self._pool.acquire(origin)
        if connection.idle_since > 0:
            try:
                return await self._exchange(origin, connection, request)
            except ConnectionBroken:
                connection = await self._pool.acquire(origin)
        return await self._exchange(origin, connection, request)

    async def _exchange(
        self, origin: Origin, connection: Connection, request: bytes
    ) -> tuple[int, bytes]:
        """Return status and body of a request. Raises ConnectionBroken, StatementUntrusted."""
        try:
            await connection.send(request)
            body = await connection.read_all(_MAX_BYTES)
            if body is None:
                raise StatementUntrusted("A node's answer is too large.")
            return connection.status, body
        finally:
            self._pool.release(origin, connection)

    def _origin(self, node: str) -> Origin:
        """Return the parsed address of a node. Raises ValueError."""
        origin = self._origins.get(node)
        if origin is None:
            origin = Origin.from_url(node)
            self._origins.put(node, origin, 3_600)
        return origin

    async def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _unreachable(node: str) -> NodeUnreachable:
    """Return the error for a node that does not answer."""
    return NodeUnreachable(
        f"The node {node} does not answer, and the identifier is not cached. Retry later.",
        headers={"retry-after": "2"},
    )


def _parse(node: str, status: int, body: bytes) -> NodeAnswer:
    """Return a node's answer. Raises StatementUntrusted if it is not JSON of the right shape."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
        if status == 404:
            answer = answer.get("error", {})
        return NodeAnswer(
            record=_text(answer, "record"),
            delegation=_text(answer, "delegation"),
            denial=_text(answer, "denial"),
            revocations=tuple(str(one) for one in answer.get("revocations", ())),
        )
    except (msgspec.DecodeError, AttributeError, TypeError):
        raise StatementUntrusted(f"The node {node} gave an answer that is not JSON.") from None


def _text(answer: dict[str, Any], name: str) -> str | None:
    """Return a text of the answer, None if it is missing."""
    value = answer.get(name)
    return value if isinstance(value, str) else None
