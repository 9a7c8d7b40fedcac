"""Included units of outcome contracts, prorated by the days on which a contract is in force."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.invoices.included_units import IncludedQuotas, get_included_quotas
from billing.metering.quotas import QuotaRef
from billing.metering.usage import insert_usage
from billing.outcomes.contracts.agreement import end_contract
from billing.rating.quantities import Quantities
from billing.rating.terms import Allowance
from billing.subscriptions.covered_calls import list_coverage_spans
from billing.subscriptions.plans import load_terms
from tests.support.billing.making import call, sql
from tests.support.outcomes.deals import CUSTOMER
from tests.support.stories.outcome_story import Contract, contract, terms
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story

MORE = (Allowance("vib", "rows", 2_000),)


async def covered(firm: Firm) -> IncludedQuotas:
    """The included quotas of the firm's contracts in force now, as a gateway loads them."""
    story, now = firm.story, firm.story.clock.now()
    async with story.database.transaction() as session:
        found = await list_coverage_spans(session, firm.account.id, now)
        held = await load_terms(
            session, {one.plan_version_id for one in found if one.contains(now)}
        )
        return await get_included_quotas(session, firm.account.id, [*held.values()], now)


async def amounts(firm: Firm) -> list[tuple[int, int]]:
    """(amount, used) of each quota of included units, in order of creation."""
    query = "select amount, used from quota where account_id = :of and kind = 'included_units'"
    rows = await sql(firm.story.database, f"{query} order by id", of=firm.account.id)
    return [(amount, used) for amount, used in rows]


async def takes(firm: Firm, units: int, found: IncludedQuotas) -> None:
    """Record and aggregate a call whose units are all covered."""
    ((version, (quota,)),) = found.quotas.items()
    async with firm.story.database.transaction() as session:
        row = replace(
            call(firm.account.id, firm.story.clock.now(), units),
            model=quota.model,
            quantities=Quantities(**{quota.meter: units}),
            cost_nano=0,
            plan_version_id=version,
            covered={quota.meter: {quota.id: units}},
        )
        await insert_usage(session, [row])
    used = "update quota set used = used + :n where id = :id"
    await sql(firm.story.database, used, n=units, id=quota.id)
    await firm.story.counts()


async def ends(of: Contract, at: datetime | None = None) -> None:
    story = of.firm.story
    async with story.database.transaction() as session:
        await end_contract(session, story.clock, of.firm.account.id, of.row.id, CUSTOMER, at)


def sizes(quotas: Mapping[UUID, Sequence[QuotaRef]]) -> list[tuple[Any, ...]]:
    found = [one for each in quotas.values() for one in each]
    return [(one.model, one.meter, one.amount) for one in found]


class TestCoverageQuotas:
    async def test_agreement_creates_quota_prorated_by_days(self, story: Story) -> None:
        """In force from 16 October: 16 of 31 days."""
        firm = await story.firm()
        await contract(firm, starts_at=story.clock.at(2026, 10, 16))
        assert await amounts(firm) == [(516, 0)]

    async def test_each_period_has_its_own_quota(self, story: Story) -> None:
        firm = await story.firm()
        await contract(firm)
        october = await covered(firm)
        story.clock.set(2026, 11, 5)
        november = await covered(firm)
        assert sizes(october.quotas) == sizes(november.quotas) == [("vib", "rows", 1_000)]
        assert november.valid_from == october.valid_until == story.clock.at(2026, 11, 1)
        assert len(await amounts(firm)) == 2

    async def test_contract_end_within_period_prorates_quota(self, story: Story) -> None:
        """In force until 16 November: 15 of 30 days."""
        firm = await story.firm()
        await contract(firm, ends_at=story.clock.at(2026, 11, 16))
        story.clock.set(2026, 11, 5)
        assert sizes((await covered(firm)).quotas) == [("vib", "rows", 500)]

    async def test_contract_quotas_exist_beside_plan_quota(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await contract(firm)
        await contract(firm, tag="gears", covered=MORE)
        assert sorted(sizes((await covered(firm)).quotas)) == [
            ("vib", "rows", 1_000),
            ("vib", "rows", 2_000),
        ]
        assert sorted(await amounts(firm)) == [(1_000, 0), (2_000, 0), (310_000, 0)]

    async def test_new_version_with_unchanged_prices_keeps_quota(self, story: Story) -> None:
        """A new version with the same prices of calls keeps the whole month's units."""
        firm = await story.firm()
        spindles = await contract(firm)
        later = story.clock.at(2026, 10, 16)
        await spindles.agrees(terms(firm, starts_at=later, lower_of_usage=True))
        assert await amounts(firm) == [(1_000, 0)]


class TestContractChanges:
    async def test_immediate_end_prorates_quota_and_charges_excess_usage(
        self, story: Story
    ) -> None:
        """15 of 31 days include 483 rows. 800 were used; the excess of 317 rows costs 0.317."""
        firm = await story.firm(credit="1")
        spindles = await contract(firm)
        await takes(firm, 800, await covered(firm))
        assert (await amounts(firm), await firm.credit()) == ([(1_000, 800)], "1")
        story.clock.set(2026, 10, 16, 12)
        await ends(spindles)
        assert (await amounts(firm), await firm.credit()) == ([(800, 800)], "0.683")
        assert await story.differences() == ()

    async def test_future_end_prorates_quota(self, story: Story) -> None:
        firm = await story.firm()
        await ends(await contract(firm), story.clock.at(2026, 10, 11))
        assert await amounts(firm) == [(322, 0)]

    async def test_two_versions_in_one_month_are_prorated_by_days(self, story: Story) -> None:
        """1,000 rows for 15 of 31 days, and 2,000 for 16."""
        firm = await story.firm()
        spindles = await contract(firm)
        later = story.clock.at(2026, 10, 16)
        await spindles.agrees(terms(firm, covered=MORE, starts_at=later))
        assert await amounts(firm) == [(483, 0), (1_032, 0)]


class TestCreditForCoveredCalls:
    async def test_aggregation_restores_credit_for_covered_calls(self, story: Story) -> None:
        """While all units are leased to other processes, a call costs 0.4 until aggregation."""
        firm = await story.firm(credit="1")
        spindles = await contract(firm)
        await spindles.use("M1", 2026, 10, 1, 9, rows=400)
        assert await firm.credit() == "0.6"
        await story.counts()
        assert (await firm.credit(), await amounts(firm)) == ("1", [(600, 0)])

    async def test_usage_beyond_coverage_reduces_credit_and_spend_cap(self, story: Story) -> None:
        """1,000 of 1,400 rows are covered. The other 400 cost 0.4, also of a spend cap of 0.5."""
        firm = await story.firm(credit="1")
        capped = GROWTH.replace("list_prices", 'spend_cap = "0.5"\nlist_prices')
        await firm.subscribe(await story.plan(capped))
        spindles = await contract(firm)
        await spindles.use("M1", 2026, 10, 1, 9, rows=1_400)
        await story.counts()
        assert await firm.credit() == "0.1"
        assert await story.differences() == ()
