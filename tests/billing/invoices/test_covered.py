"""What outcome contracts cover, as included units: by the days on which a contract is in force."""

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
    """What the firm's contracts cover now, as a gateway looks it up."""
    story, now = firm.story, firm.story.clock.now()
    async with story.database.transaction() as session:
        found = await list_coverage_spans(session, firm.account.id, now)
        held = await load_terms(
            session, {one.plan_version_id for one in found if one.contains(now)}
        )
        return await get_included_quotas(session, firm.account.id, [*held.values()], now)


async def amounts(firm: Firm) -> list[tuple[int, int]]:
    """Of the quotas of included units, in the order in which they were made: included and used."""
    query = "select amount, used from quota where account_id = :of and kind = 'included_units'"
    rows = await sql(firm.story.database, f"{query} order by id", of=firm.account.id)
    return [(amount, used) for amount, used in rows]


async def takes(firm: Firm, units: int, found: IncludedQuotas) -> None:
    """A call of so many units, all of them covered, that the totals know."""
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


class TestQuotas:
    async def test_are_made_with_the_agreement(self, story: Story) -> None:
        """From 16 October on: 16 of 31 days."""
        firm = await story.firm()
        await contract(firm, starts_at=story.clock.at(2026, 10, 16))
        assert await amounts(firm) == [(516, 0)]

    async def test_each_period_has_its_own(self, story: Story) -> None:
        firm = await story.firm()
        await contract(firm)
        october = await covered(firm)
        story.clock.set(2026, 11, 5)
        november = await covered(firm)
        assert sizes(october.quotas) == sizes(november.quotas) == [("vib", "rows", 1_000)]
        assert november.valid_from == october.valid_until == story.clock.at(2026, 11, 1)
        assert len(await amounts(firm)) == 2

    async def test_of_a_period_in_which_it_ends_they_are_its_days(self, story: Story) -> None:
        """Until 16 November: 15 of 30 days."""
        firm = await story.firm()
        await contract(firm, ends_at=story.clock.at(2026, 11, 16))
        story.clock.set(2026, 11, 5)
        assert sizes((await covered(firm)).quotas) == [("vib", "rows", 500)]

    async def test_beside_those_of_the_plan(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await contract(firm)
        await contract(firm, tag="gears", covered=MORE)
        assert sorted(sizes((await covered(firm)).quotas)) == [
            ("vib", "rows", 1_000),
            ("vib", "rows", 2_000),
        ]
        assert sorted(await amounts(firm)) == [(1_000, 0), (2_000, 0), (310_000, 0)]

    async def test_of_the_same_prices_again_they_are_the_same(self, story: Story) -> None:
        """A version that changes no prices of calls has the same units, whole."""
        firm = await story.firm()
        spindles = await contract(firm)
        later = story.clock.at(2026, 10, 16)
        await spindles.agrees(terms(firm, starts_at=later, lower_of_usage=True))
        assert await amounts(firm) == [(1_000, 0)]


class TestChanges:
    async def test_an_end_leaves_the_days_before_it(self, story: Story) -> None:
        """15 of 31 days: 483 rows. 800 were taken; the other 317 cost 0.317."""
        firm = await story.firm(credit="1")
        spindles = await contract(firm)
        await takes(firm, 800, await covered(firm))
        assert (await amounts(firm), await firm.credit()) == ([(1_000, 800)], "1")
        story.clock.set(2026, 10, 16, 12)
        await ends(spindles)
        assert (await amounts(firm), await firm.credit()) == ([(800, 800)], "0.683")
        assert await story.differences() == ()

    async def test_an_end_that_lies_ahead(self, story: Story) -> None:
        firm = await story.firm()
        await ends(await contract(firm), story.clock.at(2026, 10, 11))
        assert await amounts(firm) == [(322, 0)]

    async def test_a_newer_version_shares_the_month_with_the_older(self, story: Story) -> None:
        """1,000 rows for 15 of 31 days, and 2,000 for 16."""
        firm = await story.firm()
        spindles = await contract(firm)
        later = story.clock.at(2026, 10, 16)
        await spindles.agrees(terms(firm, covered=MORE, starts_at=later))
        assert await amounts(firm) == [(483, 0), (1_032, 0)]


class TestCredit:
    async def test_what_was_paid_for_and_is_covered_is_given_back(self, story: Story) -> None:
        """A call that found all lent to others paid 0.4, until it was counted."""
        firm = await story.firm(credit="1")
        spindles = await contract(firm)
        await spindles.use("M1", 2026, 10, 1, 9, rows=400)
        assert await firm.credit() == "0.6"
        await story.counts()
        assert (await firm.credit(), await amounts(firm)) == ("1", [(600, 0)])

    async def test_what_is_beyond_counts(self, story: Story) -> None:
        """1,400 rows of which 1,000 are covered: 0.4; so, too, of a spend cap of 0.5."""
        firm = await story.firm(credit="1")
        capped = GROWTH.replace("list_prices", 'spend_cap = "0.5"\nlist_prices')
        await firm.subscribe(await story.plan(capped))
        spindles = await contract(firm)
        await spindles.use("M1", 2026, 10, 1, 9, rows=1_400)
        await story.counts()
        assert await firm.credit() == "0.1"
        assert await story.differences() == ()
