"""Price book: included units of a plan by model, and at the time of a call."""

from datetime import datetime, timedelta

from billing.metering.quotas import QuotaRef
from billing.plan_changes.plan_changes import cancel_plan, start_plan
from billing.rating.plan_file import parse_plan_file
from billing.subscriptions.plans import publish_plan
from gateway.access.key_lookup import KeyRecord
from gateway.access.price_book import catalog_prices
from tests.support.billing.making import sql
from tests.support.builders import CATALOG, CHAT, EMBEDDING, SPECIALIST, Gateway

PLAN = f"""
plan = "included"
names = {{ en = "Included", zh = "内含" }}
currency = "CNY"
alignment = "anniversary"
list_prices = true

[[allowance]]
meter = "input_tokens"
quantity = 100

[[allowance]]
model = "{CHAT}"
meter = "input_tokens"
quantity = 200

[[allowance]]
model = "{EMBEDDING}"
meter = "input_tokens"
quantity = 300

[[discount]]
model = "{EMBEDDING}"
percent = "100"
"""
OWN_MODEL = f"""
plan = "own"
names = {{ en = "Own", zh = "自有" }}
currency = "CNY"

[[price]]
model = "{CHAT}"
meter = "input_tokens"
price = "0.1"

[[allowance]]
meter = "input_tokens"
quantity = 100
"""


async def subscribe(gateway: Gateway, text: str) -> None:
    plan = parse_plan_file(text, lambda currency: catalog_prices(CATALOG, currency))
    clock = gateway.parts.clock
    async with gateway.parts.database.transaction() as session:
        await start_plan(
            session, clock, gateway.account.id, await publish_plan(session, clock, plan)
        )


async def known(gateway: Gateway, at: datetime | None = None) -> KeyRecord:
    return await gateway.parts.authenticator.identify(f"Bearer {gateway.key.secret}", at)


def included(of: KeyRecord, model: str = CHAT) -> tuple[QuotaRef, ...]:
    return of.principal.model_prices[model].allowances


async def shown(gateway: Gateway, model: str) -> list[tuple[str, str, int | None]]:
    found = included(await known(gateway), model)
    return [(one.model, one.meter, one.amount) for one in found]


class TestIncludedUnits:
    async def test_account_at_list_prices_has_no_included_units(self, gateway: Gateway) -> None:
        assert await shown(gateway, CHAT) == []

    async def test_model_allowance_precedes_allowance_of_all_models(self, gateway: Gateway) -> None:
        await subscribe(gateway, PLAN)
        assert await shown(gateway, CHAT) == [
            (CHAT, "input_tokens", 200),
            ("*", "input_tokens", 100),
        ]

    async def test_free_model_or_model_without_the_meter_has_no_included_units(
        self, gateway: Gateway
    ) -> None:
        await subscribe(gateway, PLAN)
        assert await shown(gateway, EMBEDDING) == []
        assert await shown(gateway, SPECIALIST) == []

    async def test_model_outside_plan_prices_has_no_included_units(self, gateway: Gateway) -> None:
        await subscribe(gateway, OWN_MODEL)
        assert len(await shown(gateway, CHAT)) == 1
        assert await shown(gateway, EMBEDDING) == []


class TestIncludedUnitsPeriod:
    async def test_call_in_next_period_uses_allowance_of_that_period(
        self, gateway: Gateway
    ) -> None:
        await subscribe(gateway, PLAN)
        now = gateway.parts.clock.now()
        query = "select max(ends_at) from billing_period where starts_at <= :now"
        ((ends_at,),) = await sql(gateway.parts.database, query, now=now)
        before = await known(gateway, ends_at - timedelta(microseconds=1))
        after = await known(gateway, ends_at)
        assert (before.valid_until, after.valid_from) == (ends_at, ends_at)
        first, second = included(before), included(after)
        assert {one.id for one in first}.isdisjoint({one.id for one in second})
        assert [one.amount for one in first] == [one.amount for one in second]
        assert included(await known(gateway, now)) == first

    async def test_call_before_plan_start_has_no_included_units(self, gateway: Gateway) -> None:
        before = gateway.parts.clock.now()
        await subscribe(gateway, PLAN)
        assert included(await known(gateway))
        assert included(await known(gateway, before)) == ()

    async def test_call_after_plan_end_has_no_included_units(self, gateway: Gateway) -> None:
        await subscribe(gateway, PLAN)
        async with gateway.parts.database.transaction() as session:
            phase = await cancel_plan(session, gateway.parts.clock, gateway.account.id, at_end=True)
        assert phase.ends_at is not None
        assert included(await known(gateway, phase.ends_at)) == ()
