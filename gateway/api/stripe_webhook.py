"""`/stripe/webhook`: events that Stripe posts.

Owns taking them: checked by their signature on the raw body, kept, and answered at once. What
follows is done by a job (billing/collection/stripe/inbox.py).
"""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency

from billing.collection.stripe.client import read_event
from billing.collection.stripe.inbox import keep
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_MOST_BYTES = 1 << 20


@post(
    "/stripe/webhook",
    status_code=200,
    summary="Events of Stripe's, signed",
    request_max_body_size=_MOST_BYTES,
)
async def stripe_webhook(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    settings: NamedDependency[Settings],
) -> dict[str, bool]:
    secret = settings.stripe_webhook_secret
    event = read_event(
        await request.body(),
        request.headers.get("stripe-signature"),
        "" if secret is None else secret.get_secret_value(),
    )
    async with database.transaction() as session:
        await keep(session, clock, event)
    return {"received": True}
