"""`/<collector>/webhook`, as `/stripe/webhook`: receive the events of each collector.

The signature over the raw body is verified, the event is stored and acknowledged at once; a job
processes it (billing/collection/inbox.py).
"""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from billing.collection.collectors import COLLECTORS, CollectorEntry
from billing.collection.inbox import store_event
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_MAX_BODY_BYTES = 1 << 20


def webhook_routes() -> list[HTTPRouteHandler]:
    """Return one route for each collector, also for those that are not configured."""
    return [_webhook_route(entry) for entry in COLLECTORS.values()]


def webhook_prefixes() -> tuple[str, ...]:
    """Return the beginnings of the routes' paths."""
    return tuple(f"/{name}/" for name in COLLECTORS)


def _webhook_route(entry: CollectorEntry) -> HTTPRouteHandler:
    @post(
        f"/{entry.info.name}/webhook",
        status_code=200,
        summary=f"Events of {entry.info.label}'s, signed",
        request_max_body_size=_MAX_BODY_BYTES,
    )
    async def webhook(
        request: Request[Any, Any, Any],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
    ) -> dict[str, bool]:
        event = entry.notification(settings, await request.body(), request.headers)
        async with database.transaction() as session:
            await store_event(session, clock, event)
        return {"received": True}

    return webhook
