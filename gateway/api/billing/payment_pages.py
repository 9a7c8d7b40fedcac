"""`/v1/payment-pages`: links to the collector's pages for adding or managing a payment method.

The result of a visit arrives as an event of the collector.
"""

from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency

from billing.collection.collector import Collector
from billing.collection.hosted_pages import get_portal_url, get_setup_page_url
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal
from gateway.process.hosted_pages import get_hosted_page_url
from gateway.wire.body import decode_body
from infra.database.database import Database


class PaymentPageRequest(msgspec.Struct):
    """A payment page to open: payment method setup or billing portal.

    `return_url` is the address of the link back.
    """

    page: Literal["setup", "portal"]
    return_url: str


_DECODER = msgspec.json.Decoder(PaymentPageRequest)


@post("/v1/payment-pages", status_code=200, summary="Create a Stripe page to add a payment method")
async def payment_page(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    collector: NamedDependency[Collector | None],
) -> dict[str, str]:
    """Return the URL of the collector's payment page. Raises CollectorUnavailable."""
    page_request = decode_body(_DECODER, await request.body())
    if not _is_url(page_request.return_url):
        raise ParameterInvalid(
            "`return_url` must be a URL that starts with https:// or http://.", param="return_url"
        )
    url = await get_hosted_page_url(
        collector, partial(_page_url, principal, database, page_request)
    )
    return {"object": "payment_page", "url": url}


def _is_url(text: str) -> bool:
    """Return whether the text is a URL with the scheme `http` or `https`."""
    try:
        return urlsplit(text).scheme in ("http", "https")
    except ValueError:  # as of `http://[`
        return False


async def _page_url(
    principal: Principal,
    database: Database,
    page_request: PaymentPageRequest,
    collector: Collector,
) -> str:
    """Create the collector's payment page for the account and return the page's URL."""
    account_id, return_url = principal.account_id, page_request.return_url
    if page_request.page == "portal":
        return await get_portal_url(database, collector, account_id, return_url)
    return await get_setup_page_url(database, collector, account_id, principal.currency, return_url)
