"""Published plans, and subscribing to one over the API."""

from typing import Any

import httpx

from billing.rating.plan_file import parse_plan_file
from billing.subscriptions.plans import publish_plan
from gateway.access.price_book import catalog_prices
from tests.support.builders import CATALOG, Gateway

SMALL = """
plan = "small"
names = { en = "Small", zh = "小型版" }
currency = "CNY"
fixed_fee = "310.00"
list_prices = true
"""

LARGE = SMALL.replace("small", "large").replace("310.00", "620.00")


async def offer(gateway: Gateway, *plans: str) -> None:
    for plan in plans:
        terms = parse_plan_file(plan, lambda currency: catalog_prices(CATALOG, currency))
        async with gateway.parts.database.transaction() as session:
            await publish_plan(session, gateway.parts.clock, terms)


async def choose(gateway: Gateway, plan: str, **values: Any) -> httpx.Response:
    headers = {"idempotency-key": values.pop("key", "k-1")}
    body = {"plan": plan, **values}
    return await gateway.http.post("/v1/subscription", json=body, headers=headers)
