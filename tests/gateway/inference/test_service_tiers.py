"""Service tiers over a real socket: permission, price, usage row and response."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from billing.plan_changes.plan_changes import start_plan
from billing.rating.plan_file import parse_plan_file
from billing.subscriptions.plans import publish_plan
from billing.subscriptions.usage_totals import aggregate_usage
from gateway.access.key_scopes import Scope, change_scope
from gateway.identity.audit_log import CLI_ACTOR
from tests.support.builders import CHAT, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of

PLAN = f"""
plan = "tiers"
names = {{ en = "Tiers", zh = "分级" }}
currency = "CNY"

[[price]]
model = "{CHAT}"
meter = "input_tokens"
price = "0.000002"

[[price]]
model = "{CHAT}"
meter = "output_tokens"
price = "0.000010"

[[tier]]
name = "priority"
percent = 150

[[allowance]]
meter = "output_tokens"
quantity = 1000000
"""


@pytest.fixture
async def sold(gateway: Gateway) -> Gateway:
    """An account on a plan that sells the priority tier at 150 percent."""
    plan = parse_plan_file(PLAN, lambda _currency: {})
    clock = gateway.parts.clock
    async with gateway.parts.database.transaction() as session:
        await start_plan(
            session, clock, gateway.account.id, await publish_plan(session, clock, plan)
        )
    return gateway


async def test_priority_tier_without_price_is_rejected(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    answer = await gateway.chat("one", service_tier="priority")
    assert answer.status_code == 403
    error = error_of(answer)
    assert (error["code"], error["param"]) == ("service_tier_not_available", "service_tier")
    row = await gateway.row()
    assert (row["error_code"], row["cost"]) == ("service_tier_not_available", "0.000000000")
    assert not upstream.received


async def test_priority_tier_has_its_own_price_and_uses_no_included_units(sold: Gateway) -> None:
    answer = await sold.chat("one two", service_tier="priority")
    assert answer.json()["service_tier"] == "priority"
    row = await sold.row()
    # 2 * 3,000 and 5 * 15,000 nano-units; the included tokens stay.
    assert (row["service_tier"], row["cost"]) == ("priority", "0.000081000")
    assert row["included"] == {}
    assert answer.headers["x-maas-cost"] == "0.000081000"
    assert not (await sold.reconciled()).differences


@pytest.mark.parametrize("tier", ["default", "auto", "standard", "flex"])
async def test_other_tiers_have_the_default_price(sold: Gateway, tier: str) -> None:
    answer = await sold.chat("one two", service_tier=tier)
    assert answer.json()["service_tier"] == ("flex" if tier == "flex" else "default")
    row = await sold.row()
    assert (row["service_tier"], row["cost"]) == (None, "0.000004000")


async def test_response_without_requested_tier_has_no_service_tier(sold: Gateway) -> None:
    assert "service_tier" not in (await sold.chat("one")).json()


async def test_each_stream_chunk_has_the_service_tier(sold: Gateway) -> None:
    answer = await sold.chat("one", service_tier="priority", stream=True)
    chunks: list[dict[str, Any]] = [
        json.loads(line[6:]) for line in answer.text.split("\n\n") if line.startswith("data: {")
    ]
    assert {chunk["service_tier"] for chunk in chunks} == {"priority"}
    assert (await sold.row())["service_tier"] == "priority"


async def test_quote_uses_price_of_requested_tier(sold: Gateway) -> None:
    message = {"role": "user", "content": "one"}
    body = {"model": CHAT, "messages": [message], "max_tokens": 5, "service_tier": "priority"}
    quote = (await sold.http.post("/v1/quote", json=body)).json()
    assert quote["price_nano_per_unit"] == {"input_tokens": 3000, "output_tokens": 15000}


async def test_key_without_priority_tier_in_scope_is_rejected(sold: Gateway) -> None:
    async with sold.parts.database.transaction() as session:
        key = sold.key.row.id
        scope = Scope(service_tiers=["default"])
        await change_scope(session, sold.parts.clock, CLI_ACTOR, sold.account.id, key, scope)
    answer = await sold.chat("one", service_tier="priority")
    assert (answer.status_code, error_of(answer)["code"]) == (403, "service_tier_not_available")
    assert "key" in error_of(answer)["message"]


async def test_usage_totals_list_priority_tier_separately(sold: Gateway) -> None:
    await sold.chat("one two", service_tier="priority")
    await sold.chat("one two")
    async with sold.parts.database.transaction() as session:
        await aggregate_usage(session, sold.parts.clock)
        query = "select model, calls, cost_nano from usage_total order by model"
        rows = (await session.execute(text(query))).all()
    # The default call has its 5 tokens included.
    assert [tuple(row) for row in rows] == [(CHAT, 1, 4_000), (f"{CHAT}@priority", 1, 81_000)]


async def test_models_endpoint_lists_prices_of_plan_tiers(sold: Gateway) -> None:
    model = (await sold.http.get(f"/v1/models/{CHAT}")).json()
    assert model["price_nano_per_unit"] == {"input_tokens": 2000, "output_tokens": 10000}
    priority = {"input_tokens": 3000, "output_tokens": 15000}
    assert model["service_tier_price_nano_per_unit"] == {"priority": priority}


async def test_models_endpoint_omits_tiers_outside_plan_or_key_scope(sold: Gateway) -> None:
    async with sold.parts.database.transaction() as session:
        key = sold.key.row.id
        scope = Scope(service_tiers=["default", "flex"])
        await change_scope(session, sold.parts.clock, CLI_ACTOR, sold.account.id, key, scope)
    for model in (await sold.http.get("/v1/models")).json()["data"]:
        assert model["service_tier_price_nano_per_unit"] == {}
