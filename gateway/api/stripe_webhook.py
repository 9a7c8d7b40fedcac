"""`/stripe/webhook`: receive Stripe's events.

The signature over the raw body is verified, the event is stored and acknowledged at once; a job
processes it (billing/collection/stripe/inbox.py).
"""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency

from billing.collection.stripe.client import parse_signed_event
from billing.collection.stripe.inbox import store_event
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_MAX_BODY_BYTES = 1 << 20


@post(
    "/stripe/webhook",
    status_code=200,
    summary="Receive signed Stripe events",
    request_max_body_size=_MAX_BODY_BYTES,
)
async def stripe_webhook(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    settings: NamedDependency[Settings],
) -> dict[str, bool]:
    secret = settings.stripe_webhook_secret
    event = parse_signed_event(
        await request.body(),
        request.headers.get("stripe-signature"),
        "" if secret is None else secret.get_secret_value(),
    )
    async with database.transaction() as session:
        await store_event(session, clock, event)
    return {"received": True}
