"""Webhooks of payment collectors, such as `/stripe/webhook`: receive their events.

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


def webhook_paths() -> tuple[str, ...]:
    """Return the webhook path of each collector, such as `/stripe/webhook`."""
    return tuple(entry.info.webhook_path for entry in COLLECTORS.values())


def _webhook_route(entry: CollectorEntry) -> HTTPRouteHandler:
    """Return the route that receives the webhooks of one collector."""

    @post(
        entry.info.webhook_path,
        status_code=200,
        # Of path and name, as for other routes: `StripeWebhookStripeWebhook`.
        operation_id=2 * f"{entry.info.name.title()}Webhook",
        summary=f"Receive signed {entry.info.label} events",
        request_max_body_size=_MAX_BODY_BYTES,
    )
    async def webhook(
        request: Request[Any, Any, Any],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
    ) -> dict[str, bool]:
        """Verify an event's signature and store the event in the inbox."""
        event = entry.notification(settings, await request.body(), request.headers)
        async with database.transaction() as session:
            await store_event(session, clock, event)
        return {"received": True}

    return webhook
