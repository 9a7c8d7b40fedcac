"""Faults that a test injects: no connection, slow responses, errors, lost responses.

The application asks before and after each request; the connections know how to break.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.support.fakes.stripe.refusals import Refusal, server_error, too_many_requests


class Connections:
    """The open connections, so that one or all can be broken."""

    def __init__(self) -> None:
        self.refusing = False
        self._open: dict[object, asyncio.Transport] = {}

    def protocol(self, **given: Any) -> asyncio.Protocol:
        """Uvicorn's protocol for a new connection."""
        return _Watched(self, **given)

    def opened(self, transport: asyncio.Transport) -> None:
        self._open[transport.get_extra_info("peername")] = transport
        if self.refusing:
            transport.abort()

    def closed(self, transport: asyncio.Transport) -> None:
        self._open.pop(transport.get_extra_info("peername"), None)

    def abort(self, peer: object) -> None:
        transport = self._open.get(peer)
        if transport is not None:
            transport.abort()

    def abort_all(self) -> None:
        for transport in list(self._open.values()):
            transport.abort()


class _Watched(HttpToolsProtocol):
    def __init__(self, watcher: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._watcher = watcher

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watcher.opened(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watcher.closed(self.transport)
        super().connection_lost(exc)


class Switches:
    """The active faults."""

    def __init__(self) -> None:
        self.connections = Connections()
        self.delay_s = 0.0
        self._failing: list[Refusal] = []
        self._failing_after = 0
        self._lost = 0
        self._at = ""

    def down(self) -> None:
        """Close all connections, and every new one immediately."""
        self.connections.refusing = True
        self.connections.abort_all()

    def up(self) -> None:
        """Accept connections again."""
        self.connections.refusing = False

    def slow(self, seconds: float) -> None:
        """Delay the execution of each request; it is executed even if the client disconnects."""
        self.delay_s = seconds

    def fail_next(self, count: int, status: int = 500) -> None:
        """Respond to the next requests with an error without executing them."""
        self._failing += [server_error(status)] * count

    def fail_after(self, count: int, at: str = "") -> None:
        """Execute the next requests that work, of one route or any, and answer with an error that
        is kept as any."""
        self._failing_after, self._at = count, at

    def rate_limit(self, count: int) -> None:
        """Respond to the next requests with 429 without executing them."""
        self._failing += [too_many_requests()] * count

    def lose_answers(self, count: int, at: str = "") -> None:
        """Execute the next requests that work, of one route or any, and break the connection
        instead of answering."""
        self._lost, self._at = count, at

    def before(self) -> None:
        """Raise the injected fault before execution."""
        if self._failing:
            raise self._failing.pop(0)

    def after(self, route: str) -> None:
        """Raise the injected fault after execution."""
        if self._failing_after and self._at in ("", route):
            self._failing_after -= 1
            raise server_error(500, began=True)

    def loses_answer(self, route: str) -> bool:
        lost = self._lost > 0 and self._at in ("", route)
        self._lost -= lost
        return lost
