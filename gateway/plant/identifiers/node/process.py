"""One node process: its parts built from the settings, and its lifetime."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.plant.identifiers.delegations import Authority
from gateway.plant.identifiers.errors import StatementUntrusted
from gateway.plant.identifiers.node.activity import NodeActivity
from gateway.plant.identifiers.node.answers import authority_json
from gateway.plant.identifiers.node.app import NodeApp
from gateway.plant.identifiers.node.authorities import active_delegations, read_roots
from gateway.plant.identifiers.node.client import HttpNodeClient
from gateway.plant.identifiers.node.counts import ResolutionCounts
from gateway.plant.identifiers.node.local import LocalNode
from gateway.plant.identifiers.node.record_reader import RecordReader
from gateway.plant.identifiers.node.service import NodeService
from gateway.plant.identifiers.resolution import Resolver
from infra.client_rate_limiter import RateLimiter
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.secrets.sealer import Sealer
from infra.settings import Settings

_TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Node:
    """A node's application and its periodic work."""

    app: NodeApp
    service: NodeService
    counts: ResolutionCounts
    database: Database
    records: RecordReader
    client: HttpNodeClient

    async def warm_up(self) -> None:
        """Prepare for the first request; without a database the node starts nevertheless."""
        try:
            await self.service.local.warm_up()
        except AppError as error:
            structlog.get_logger().warning("the node starts unprepared", reason=error.message)
        # What exists by now lives as long as the process: full collections need not visit it.
        gc.collect()
        gc.freeze()

    async def close(self) -> None:
        """Close the connections to other nodes and those that read records."""
        await self.client.close()
        await self.records.close()

    async def tick(self) -> None:
        """Write the counts and apply revocations; the next tick retries after an error."""
        try:
            await self.counts.write(self.database)
            if await self.service.refresh_revocations():
                self.app.forget()
        except AppError as error:
            structlog.get_logger().warning("the node's periodic work failed", reason=error.message)


def build_node(
    settings: Settings,
    clock: Clock,
    database: Database,
    sealer: Sealer,
    roots: Sequence[Authority],
    url: str,
) -> Node:
    """Build the parts of a node process. `url` is the address of `database`."""
    activity = NodeActivity(clock)
    client = HttpNodeClient(clock, activity)
    entries = settings.node_cache_entries
    resolver = Resolver(
        roots, client, clock, max_entries=entries, max_ttl_s=settings.node_max_ttl_s
    )
    records = RecordReader(url)
    local = LocalNode(database, records, clock, sealer)
    service = NodeService(local, resolver, database, clock)
    counts = ResolutionCounts(settings.node_role, clock)
    limiter = RateLimiter(settings.node_requests_per_minute, clock.monotonic)
    status = _status_of(settings, local, roots, database, resolver, counts, activity)
    app = NodeApp(service, limiter, counts, clock, status, activity, entries)
    return Node(app, service, counts, database, records, client)


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    """Context in which the node's periodic work runs; pending counts are written at its end."""

    async def work() -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            await node.tick()

    task = asyncio.create_task(work())
    try:
        yield node
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await node.tick()
        await node.close()


def load_roots(settings: Settings) -> Sequence[Authority]:
    """Return the configured roots. Raises StatementUntrusted if the file cannot be used."""
    if settings.node_roots is None:
        return ()
    try:
        return read_roots(settings.node_roots.read_bytes())
    except OSError:
        raise StatementUntrusted("MAAS_NODE_ROOTS names a file that cannot be read.") from None


def _status_of(
    settings: Settings,
    local: LocalNode,
    roots: Sequence[Authority],
    database: Database,
    resolver: Resolver,
    counts: ResolutionCounts,
    activity: NodeActivity,
) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    """Return the function that describes the node."""

    async def status() -> Mapping[str, Any]:
        own = await local.authorities()
        async with database.transaction() as session:
            delegated = [
                {"prefix": row.prefix, "kid": row.kid, "node": row.node}
                for one in own
                for row in await active_delegations(session, one.authority.prefix)
            ]
        return {
            "object": "identifier_node",
            "role": settings.node_role,
            "prefixes": [authority_json(one.authority, one.chain) for one in own],
            "delegations": delegated,
            "roots": [{"prefix": one.prefix.text, "kid": one.key.kid} for one in roots],
            "cached_resolutions": len(resolver.results),
            **counts.summary(),
            "peers": activity.peers(),
            "errors": activity.errors(),
        }

    return status
