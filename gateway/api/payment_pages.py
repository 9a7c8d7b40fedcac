"""`/v1/payment-pages`: links to Stripe's pages for adding or managing a payment method.

The result of a visit arrives as a Stripe event.
"""

from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency

from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.outbox_handlers import StripeOutboxHandlers
from billing.outbox import PermanentFailure, RetryLater
from gateway.call.errors import ParameterInvalid, StripeNotConfigured, StripeUnavailable
from gateway.call.values import Principal
from gateway.wire.body import decode_body
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class PaymentPageRequest(msgspec.Struct):
    """Which page, and where to go from it."""

    page: Literal["setup", "portal"]
    return_url: str


_DECODER = msgspec.json.Decoder(PaymentPageRequest)


@post("/v1/payment-pages", status_code=200, summary="Create a Stripe page to add a payment method")
async def payment_page(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    stripe_client: NamedDependency[StripeClient | None],
) -> dict[str, str]:
    page_request = decode_body(_DECODER, await request.body())
    if not _is_url(page_request.return_url):
        raise ParameterInvalid(
            "`return_url` must be a URL that starts with https:// or http://.", param="return_url"
        )
    if stripe_client is None:
        raise StripeNotConfigured(
            "Online payment is not available here. Pay invoices by bank transfer."
        )
    try:
        return {
            "object": "payment_page",
            "url": await _page_url(principal, database, clock, stripe_client, page_request),
        }
    except (RetryLater, PermanentFailure) as error:
        raise StripeUnavailable(
            "Stripe cannot be reached at the moment. Please try again."
        ) from error


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).scheme in ("http", "https")
    except ValueError:  # as of `http://[`
        return False


async def _page_url(
    principal: Principal,
    database: Database,
    clock: Clock,
    stripe_client: StripeClient,
    page_request: PaymentPageRequest,
) -> str:
    """Create a Stripe page for the account's customer and return its URL."""
    customer = await StripeOutboxHandlers(database, clock, stripe_client).ensure_customer(
        principal.account_id
    )
    if page_request.page == "portal":
        return await stripe_client.create_portal_page(customer, page_request.return_url)
    idempotency_key, return_url = f"setup:{ids.new_id()}", page_request.return_url
    return await stripe_client.create_setup_page(
        idempotency_key, customer, principal.currency, return_url, return_url
    )
