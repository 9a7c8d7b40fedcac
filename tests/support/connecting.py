"""Database connections of test gateways, kept open from one test to the next.

A new pool compiles each statement again, and a new connection has PostgreSQL start a process that
looks up each table again: together that takes longer than most tests do.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from gateway.process.database_pools import DatabaseConnections, create_connections
from infra.database.database import Database, UnavailableReason
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import Metrics

_TICK_S = 0.005
_ENDING_S = 2.0
# A database's URL and how long a settlement waits.
Kind = tuple[str, float]


@dataclass(slots=True)
class Counting:
    """Counts database unavailability in the metrics of the gateway that uses the connections."""

    metrics: Metrics | None = None

    def count_unavailability(self, pool: str) -> Callable[[UnavailableReason], None]:
        return lambda why: self.metrics and self.metrics.count_unavailability(pool)(why)


class LastingConnections(DatabaseConnections):
    """Connections that stay open when their gateway stops."""

    @property
    def all(self) -> tuple[Database | DirectConnection, ...]:
        return ()

    async def close(self) -> None:
        for one in (*self.pools.values(), self.records, self.reading):
            await one.close()


@dataclass(slots=True)
class Pools:
    """Connections to one database that no gateway uses."""

    lasting_url: str = ""
    idle: dict[Kind, list[tuple[LastingConnections, Counting]]] = field(default_factory=dict)
    taken: dict[int, tuple[Kind, LastingConnections, Counting]] = field(default_factory=dict)
    checking: Database | None = None

    def connect(self, url: str, settle_timeout_s: float, metrics: Metrics) -> DatabaseConnections:
        """Replaces the gateway's `create_connections`."""
        if url != self.lasting_url:
            return create_connections(url, settle_timeout_s, metrics)
        kind = url, settle_timeout_s
        waiting = self.idle.get(kind)
        connections, counting = waiting.pop() if waiting else _opened(*kind)
        counting.metrics = metrics
        self.taken[id(connections)] = kind, connections, counting
        return connections

    async def put_back(self, connections: DatabaseConnections) -> None:
        """Make the connections available to another gateway, after closing those still in use."""
        if id(connections) not in self.taken:
            return
        kind, lasting, counting = self.taken.pop(id(connections))
        for pool in lasting.pools.values():
            await close_if_used(pool)
        self.idle.setdefault(kind, []).append((lasting, counting))

    @asynccontextmanager
    async def apart(self, url: str) -> AsyncIterator[Database]:
        """A database of one connection that no gateway has, for checks of what gateways wrote."""
        if url != self.lasting_url:
            database = Database(url, pool_size=1)
            try:
                yield database
            finally:
                await database.close()
            return
        if self.checking is None:
            self.checking = Database(url, pool_size=1)
        yield self.checking
        await close_if_used(self.checking)

    async def stop(self) -> None:
        if self.checking is not None:
            await self.checking.close()
        for waiting in self.idle.values():
            for connections, _ in waiting:
                await connections.close()
        self.idle.clear()


async def close_if_used(pool: Database) -> None:
    """Close connections in use, so that no unfinished work of a test reaches the next one.

    What is about to end may do so: a connection that comes back after its pool was closed is closed
    by nobody.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_ENDING_S):
            while pool.in_use:  # noqa: ASYNC110
                await asyncio.sleep(_TICK_S)
    if pool.in_use:
        await pool.close()


def _opened(url: str, settle_timeout_s: float) -> tuple[LastingConnections, Counting]:
    counting = Counting()
    made = create_connections(url, settle_timeout_s, counting)
    pools = made.calls, made.handlers, made.quotas, made.imports
    return LastingConnections(*pools, made.reading, made.records), counting


POOLS = Pools()
