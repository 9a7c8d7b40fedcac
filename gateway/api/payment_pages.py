"""`/v1/payment-pages`: where a customer leaves a payment method, or sees what Stripe has of it.

The pages are Stripe's; what comes of a visit, its events tell.
"""

from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency

from billing.collection.stripe.client import Payments
from billing.collection.stripe.outbox_handlers import Collector
from billing.outbox import Refused, TryLater
from gateway.call.errors import ParameterInvalid, StripeNotUsed, StripeUnavailable
from gateway.call.values import Principal
from gateway.wire.body import read
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class PageWish(msgspec.Struct):
    """Which page, and where to go from it."""

    page: Literal["setup", "portal"]
    return_url: str


_WISH = msgspec.json.Decoder(PageWish)


@post("/v1/payment-pages", status_code=200, summary="A page of Stripe's for a payment method")
async def payment_page(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    payments: NamedDependency[Payments | None],
) -> dict[str, str]:
    wish = read(_WISH, await request.body())
    if not _is_url(wish.return_url):
        raise ParameterInvalid("`return_url` is a URL, as https://…", param="return_url")
    if payments is None:
        raise StripeNotUsed("Invoices are paid by bank transfer here.")
    try:
        return {
            "object": "payment_page",
            "url": await _url(principal, database, clock, payments, wish),
        }
    except (TryLater, Refused) as error:
        raise StripeUnavailable("Stripe cannot be asked just now. Please try again.") from error


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).scheme in ("http", "https")
    except ValueError:  # as of `http://[`
        return False


async def _url(
    principal: Principal, database: Database, clock: Clock, payments: Payments, wish: PageWish
) -> str:
    customer = await Collector(database, clock, payments).customer(principal.account_id)
    if wish.page == "portal":
        return await payments.portal_page(customer, wish.return_url)
    key, back = f"setup:{ids.new_id()}", wish.return_url
    return await payments.setup_page(key, customer, principal.currency, back, back)
