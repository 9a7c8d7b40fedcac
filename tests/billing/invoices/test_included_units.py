"""Included units: calls never get more units than the invoice includes."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from billing.invoices.included_units import IncludedQuotas, get_included_quotas
from billing.metering.quotas import QuotaRef
from billing.metering.usage import insert_usage
from billing.rating.quantities import Quantities
from billing.subscriptions.subscriptions import require_subscription
from tests.support.billing.making import call, sql
from tests.support.stories.plan_texts import GROWTH, SCALE
from tests.support.stories.story import Firm, Story

PACKED = """
plan = "packed"
names = { en = "Packed", zh = "打包版" }
currency = "CNY"

[[price]]
model = "vib"
meter = "rows"
kind = "package"
size = 1_000
price = "3.00"

[[allowance]]
model = "vib"
meter = "rows"
quantity = 500
"""


async def included(firm: Firm, *at: int) -> IncludedQuotas:
    story = firm.story
    moment = story.clock.at(*at) if at else story.clock.now()
    async with story.database.transaction() as session:
        terms = (await require_subscription(session, firm.account.id, moment)).terms
        return await get_included_quotas(session, firm.account.id, [terms], moment)


def quotas(found: IncludedQuotas) -> Sequence[QuotaRef]:
    """The quotas of the only terms in force."""
    (only,) = found.quotas.values()
    return only


async def left(firm: Firm, *at: int) -> list[int]:
    """Units of each allowance that are neither used nor leased."""
    found = await included(firm, *at)
    query = "select amount - used - leased from quota where id = :id"
    return [(await sql(firm.story.database, query, id=one.id))[0][0] for one in quotas(found)]


async def takes(firm: Firm, units: int, counted: bool = True, of: Any = None) -> None:
    """Record a call whose units are all included."""
    story, found = firm.story, of or await included(firm)
    quota = quotas(found)[0]
    async with story.database.transaction() as session:
        version, _ = await story.terms_at(session, firm, quota.model, story.clock.now())
        row = replace(
            call(firm.account.id, story.clock.now(), units),
            model=quota.model,
            quantities=Quantities(**{quota.meter: units}),
            cost_nano=0,
            plan_version_id=version,
            covered={quota.meter: {quota.id: units}},
        )
        await insert_usage(session, [row])
    await sql(
        story.database, "update quota set used = used + :n where id = :id", n=units, id=quota.id
    )
    if counted:
        await story.counts()


async def leases(firm: Firm, units: int) -> None:
    """Lease units to a gateway process."""
    (quota,) = quotas(await included(firm))
    lend = "update quota set leased = leased + :n where id = :id"
    await sql(firm.story.database, lend, n=units, id=quota.id)


class TestRemainingUnits:
    async def test_calls_consume_units_of_the_plan(self, story: Story) -> None:
        firm = await story.firm(credit="0")
        await firm.subscribe(await story.plan(GROWTH))
        assert await left(firm) == [310_000]
        await takes(firm, 200_000)
        assert await left(firm) == [110_000]
        assert await firm.credit() == "0"
        assert await story.differences() == ()

    async def test_partial_period_has_prorated_units(self, story: Story) -> None:
        """Subscribed from 12 October: 20 of 31 days."""
        firm = await story.firm()
        story.clock.set(2026, 10, 12)
        await firm.subscribe(await story.plan(GROWTH))
        assert await left(firm) == [200_000]

    async def test_aggregated_usage_consumes_units_and_restores_credit(self, story: Story) -> None:
        """While all units are leased, a call of 100,000 tokens costs 0.20 until aggregation."""
        firm = await story.firm(credit="1")
        await firm.subscribe(await story.plan(GROWTH))
        await firm.use("llm", output_tokens=100_000)
        assert (await left(firm), await firm.credit()) == ([310_000], "0.8")
        await story.counts()
        assert (await left(firm), await firm.credit()) == ([210_000], "1")
        await takes(firm, 210_000)
        assert (await left(firm), await firm.credit()) == ([0], "1")
        assert await story.differences() == ()

    async def test_unaggregated_calls_consume_units(self, story: Story) -> None:
        firm = await story.firm(credit="1")
        await firm.subscribe(await story.plan(GROWTH))
        await story.counts()
        await takes(firm, 300_000, counted=False)
        assert await left(firm) == [10_000]
        await story.counts()
        assert await left(firm) == [10_000]

    async def test_free_usage_consumes_no_units(self, story: Story) -> None:
        firm = await story.firm()
        free = GROWTH + '[[discount]]\nmodel = "llm"\npercent = "100"\n'
        await firm.subscribe(await story.plan(free))
        await firm.use("llm", output_tokens=100_000)
        await story.counts()
        assert await left(firm) == [310_000]


class TestLeasedUnits:
    """310,000 tokens are included, worth 0.62. One running call leases them; other calls pay."""

    async def test_leased_units_are_not_applied_to_other_calls(self, story: Story) -> None:
        firm = await story.firm(credit="1")
        await firm.subscribe(await story.plan(GROWTH))
        await leases(firm, 310_000)
        await firm.use("llm", output_tokens=200_000)
        assert await firm.credit() == "0.6"
        await story.counts()
        assert (await left(firm), await firm.credit()) == ([-200_000], "0.6")
        await leases(firm, -310_000)  # the call has ended without usage
        await firm.use("llm", output_tokens=1)
        await story.counts()
        assert (await left(firm), await firm.credit()) == ([109_999], "1")

    async def test_units_of_unaggregated_call_are_not_applied_to_other_calls(
        self, story: Story
    ) -> None:
        """0.40 are charged at first and 0.40 are due in the end: 510,000 - 310,000 tokens."""
        firm = await story.firm(credit="1")
        await firm.subscribe(await story.plan(GROWTH))
        await leases(firm, 310_000)
        await firm.use("llm", output_tokens=200_000)
        await story.counts()
        await leases(firm, -310_000)
        await takes(firm, 310_000, counted=False)
        assert await firm.credit() == "0.6"
        await story.counts()
        assert (await left(firm), await firm.credit()) == ([0], "0.6")
        assert await story.differences() == ()

    async def test_spend_cap_credit_excludes_leased_units(self, story: Story) -> None:
        firm = await story.firm(credit="10")
        capped = GROWTH.replace("list_prices", 'spend_cap = "1.00"\nlist_prices')
        await firm.subscribe(await story.plan(capped))
        await leases(firm, 310_000)
        await firm.use("llm", output_tokens=200_000)
        await story.counts()
        assert await firm.credit() == "0.6"


class TestUnitsWithoutCredit:
    async def test_negative_credit_leaves_included_units_available(self, story: Story) -> None:
        """The next row may start a package of 3.00, so available credit is negative."""
        firm = await story.firm(credit="0")
        await firm.subscribe(await story.plan(PACKED))
        await takes(firm, 400)
        assert (await left(firm), await firm.credit()) == ([100], "-3")


class TestPeriodQuotas:
    async def test_each_period_has_its_own_quota(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await takes(firm, 310_000)
        october = await included(firm)
        assert (october.valid_from, october.valid_until) == (
            story.clock.at(2026, 10, 1),
            story.clock.at(2026, 11, 1),
        )
        await story.until(2026, 11, 1, 0, 30)
        november = await included(firm)
        assert {one.id for one in quotas(november)}.isdisjoint({one.id for one in quotas(october)})
        assert await left(firm) == [310_000]

    async def test_late_usage_consumes_units_of_the_period_that_bills_it(
        self, story: Story
    ) -> None:
        """100,000 tokens of October that are recorded in November use November's units."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await firm.use("llm", output_tokens=1)
        await story.until(2026, 11, 1, 1)
        await firm.use("llm", story.clock.at(2026, 10, 20), output_tokens=100_000)
        await story.counts()
        assert await left(firm) == [210_000]

    async def test_concurrent_lookups_create_one_quota(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        found = await asyncio.gather(*(included(firm, 2026, 11, 5) for _ in range(2)))
        assert found[0] == found[1]

    async def test_clock_before_first_period_returns_first_quota(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        async with story.database.transaction() as session:
            terms = (await require_subscription(session, firm.account.id, story.clock.now())).terms
            early = story.clock.at(2026, 9, 1)
            found = await get_included_quotas(session, firm.account.id, [terms], early)
        assert (found.valid_from, found.valid_until) == (early, story.clock.at(2026, 11, 1))


class TestPlanChanges:
    async def test_upgrade_prorates_units_of_both_plans(self, story: Story) -> None:
        """10 of 31 days of Growth include 100,000 tokens, 21 days of Scale 420,000."""
        firm = await story.firm(credit="1")
        await firm.subscribe(await story.plan(GROWTH))
        await takes(firm, 150_000)
        growth = await included(firm)
        story.clock.set(2026, 10, 11)
        await firm.change(await story.plan(SCALE))
        assert await left(firm) == [420_000]
        (quota,) = quotas(growth)
        query = "select amount, used from quota where id = :id"
        assert await sql(story.database, query, id=quota.id) == [(150_000, 150_000)]
        # 50,000 above: 0.10.
        assert await firm.credit() == "0.9"
        assert await story.differences() == ()

    async def test_scheduled_end_prorates_units_and_resume_restores_them(
        self, story: Story
    ) -> None:
        """Cancelled, the plan ends with its trial of 10 days: 10 of 31 days include 100,000."""
        firm = await story.firm()
        trial = GROWTH.replace("list_prices", "trial_days = 10\nlist_prices")
        await firm.subscribe(await story.plan(trial))
        assert await left(firm) == [310_000]
        await firm.cancel()
        assert await left(firm) == [100_000]
        await firm.resume()
        assert await left(firm) == [310_000]
        await firm.change(await story.plan(trial.replace("310.00", "31.00")))
        assert await left(firm) == [100_000]
