"""Asks other nodes over HTTP, with bounded time and size and without following redirects."""

from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from gateway.plant.identifiers.cache import ExpiringCache
from gateway.plant.identifiers.codes import Identifier
from gateway.plant.identifiers.errors import NodeUnreachable, StatementUntrusted
from gateway.plant.identifiers.resolution import NodeAnswer
from infra.clock import Clock

_MAX_BYTES = 512 << 10
_DOWN_S = 1.0
_STATUSES = (200, 404)


class HttpNodeClient:
    """A client of other nodes. `close` it at the end.

    A node that did not answer is not asked again for a second, so that its failure does not hold
    the requests of others for `timeout_s` each.
    """

    def __init__(self, clock: Clock, timeout_s: float = 2.0) -> None:
        self._http = httpx.AsyncClient(
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
        )
        self._down: ExpiringCache[str, bool] = ExpiringCache(1_000, clock.monotonic)

    async def ask(self, node: str, identifier: Identifier) -> NodeAnswer:
        """Return what a node answers iteratively. Raises NodeUnreachable, StatementUntrusted."""
        if self._down.get(node):
            raise _unreachable(node)
        address = f"{node}/v1/resolve?mode=iterative&id={quote(identifier.text, safe='')}"
        try:
            status, body = await self._get(address)
        except (httpx.HTTPError, httpx.InvalidURL):
            self._down.put(node, value=True, ttl_s=_DOWN_S)
            raise _unreachable(node) from None
        if status not in _STATUSES:
            raise _unreachable(node)
        return _parse(node, status, body)

    async def _get(self, address: str) -> tuple[int, bytes]:
        """Return status and body of a GET, of at most `_MAX_BYTES`."""
        async with self._http.stream("GET", address) as response:
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _MAX_BYTES:
                    raise StatementUntrusted("A node's answer is too large.")
            return response.status_code, bytes(body)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


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
