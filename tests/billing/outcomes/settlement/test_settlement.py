"""Settlement: each month once and in order; late claims go to the next month."""

import asyncio
from functools import partial

import pytest

from billing.outcomes.settlement.jobs import settle_outcomes
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.settlement import (
    SettlementNotFound,
    accept_settlement,
    get_bundle_text,
    get_settlement,
    list_contracts_to_settle,
    settle_contract,
)
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.terms import Allowance
from infra import ids
from infra.database.database import Database
from tests.support.stories.outcome_story import Contract, contract, terms
from tests.support.stories.story import Story


@pytest.fixture
async def spindles(story: Story) -> Contract:
    made = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    return made


async def minors(of: Contract) -> list[int]:
    return [one.minor for one in await of.settlements()]


class TestMonthlySettlement:
    async def test_month_is_settled_only_after_the_grace_period(self, spindles: Contract) -> None:
        await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
        await spindles.until(2026, 11, 3, 23, 59)
        assert await spindles.settlements() == []
        await spindles.until(2026, 11, 4)
        assert await minors(spindles) == [300_00]

    async def test_missed_months_are_settled_in_order_after_downtime(
        self, spindles: Contract
    ) -> None:
        """October to December at once; each month includes what was confirmed in its time."""
        await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
        spindles.firm.story.clock.set(2026, 12, 20)
        await spindles.is_confirmed("W-2", "M2", 2026, 12, 11, 12)
        await spindles.until(2027, 1, 10)
        assert await minors(spindles) == [300_00, 0, 300_00]
        spans = [(one.starts_at, one.ends_at) for one in await spindles.settlements()]
        assert [end for _, end in spans[:2]] == [start for start, _ in spans[1:]]

    async def test_concurrent_runs_settle_and_charge_a_month_once(
        self, spindles: Contract, database_url: str
    ) -> None:
        await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
        story = spindles.firm.story
        story.clock.set(2026, 11, 20)
        databases = [Database(database_url, pool_size=2) for _ in range(3)]
        work = partial(settle_outcomes, clock=story.clock, measure_function=measure_effect)
        await asyncio.gather(*(work(one) for one in databases))
        for one in databases:
            await one.close()
        await spindles.settles()
        assert await minors(spindles) == [300_00]
        story.clock.set(2026, 12, 1)
        await asyncio.gather(*(spindles.settles() for _ in range(2)))
        await spindles.until(2026, 12, 1, 1)
        _, november = await spindles.firm.invoices()
        assert await spindles.outcome_lines(november) == [("customer_system", "1", "300.00")]

    async def test_late_claim_is_settled_with_the_next_month(self, spindles: Contract) -> None:
        """W-1 is claimed and confirmed on 4 November, after October was settled."""
        await spindles.until(2026, 11, 4, 1)
        await spindles.is_confirmed("W-1", "M1", 2026, 10, 31, 12)
        await spindles.until(2026, 12, 4)
        assert await minors(spindles) == [0, 300_00]

    async def test_late_claim_after_contract_end_is_settled_once(self, story: Story) -> None:
        """The contract ends on 16 October: one late outcome is settled, then nothing is left to
        settle."""
        ended = await contract(await story.firm(), ends_at=story.clock.at(2026, 10, 16))
        await ended.until(2026, 11, 4, 1)
        await ended.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
        await ended.claims("W-2", "M2", 2026, 10, 17, by="customer_system")
        await ended.until(2027, 3, 1)
        assert await minors(ended) == [0, 300_00]
        async with story.database.transaction() as session:
            assert await list_contracts_to_settle(session, story.clock.now()) == []


class TestPriceLimits:
    async def test_floor_is_prorated_and_charged_once_a_month(self, story: Story) -> None:
        """In force from 16 October: 16 of 31 days of 310.00 are 160.00; November has 310.00.
        Accepted on 14 November and 14 December, and invoiced with those months."""
        firm = await story.firm()
        spindles = await contract(firm, floor=310_00, starts_at=story.clock.at(2026, 10, 16))
        for at in ((2026, 11, 4), (2026, 12, 4), (2026, 12, 15), (2027, 1, 1, 1)):
            await spindles.until(*at)
        assert await minors(spindles) == [160_00, 310_00]
        lines = [await spindles.outcome_lines(one) for one in await firm.invoices()]
        assert lines == [[("floor", "0", "160.00")], [("floor", "0", "310.00")]]
        (line,) = (await spindles.document((await firm.invoices())[0])).lines
        assert line.description == "Early warning: top-up to the monthly minimum"
        assert await story.differences() == ()

    async def test_amount_is_limited_to_the_list_price_of_covered_usage(self, story: Story) -> None:
        """One failure is 300.00, but the 50,000 covered rows would have cost 50.00. The 10,000
        rows beyond them are charged 10.00 separately; tagged usage that is not covered does not
        count."""
        covered = (Allowance("vib", "rows", 50_000),)
        spindles = await contract(await story.firm(), lower_of_usage=True, covered=covered)
        story.clock.set(2026, 10, 20)
        await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
        await spindles.use("M1", 2026, 10, 12, rows=59_999)
        tags = {"machine": "M1", "contract": "spindles"}
        await spindles.firm.use("vib", story.clock.at(2026, 10, 12), tags, rows=70_000)
        await spindles.until(2026, 11, 4)
        assert await minors(spindles) == [50_00]

    async def test_month_with_two_versions_uses_both_prices_and_the_later_cap(
        self, story: Story
    ) -> None:
        """300.00 until the 16th, 250.00 after it, and the cap of the later version."""
        firm = await story.firm()
        spindles = await contract(firm, ends_at=story.clock.at(2026, 10, 16))
        later = terms(
            firm, price=PerUnit(250 * 10**9), starts_at=story.clock.at(2026, 10, 16), cap=540_00
        )
        await spindles.agrees(later)
        story.clock.set(2026, 10, 25)
        await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
        await spindles.is_confirmed("W-2", "M2", 2026, 10, 20, 12)
        await spindles.until(2026, 11, 4)
        assert await minors(spindles) == [540_00]


class TestSettlementAcceptance:
    async def test_settlement_is_accepted_only_after_the_dispute_window(
        self, spindles: Contract
    ) -> None:
        await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
        await spindles.until(2026, 11, 4)
        (settled,) = await spindles.settlements()
        seen = await spindles._do(accept_settlement, settled.id)
        assert seen.accepted_at is None
        await spindles.until(2026, 11, 14)
        (settled,) = await spindles.settlements()
        assert settled.accepted_at == spindles.firm.story.clock.at(2026, 11, 14)

    async def test_operator_can_read_the_bundle_of_any_account(self, spindles: Contract) -> None:
        await spindles.until(2026, 11, 4)
        (settled,) = await spindles.settlements()
        async with spindles.firm.story.database.transaction() as session:
            assert await get_bundle_text(session, settled.id) == settled.bundle

    async def test_unknown_settlement_id_raises_not_found(self, spindles: Contract) -> None:
        async with spindles.firm.story.database.transaction() as session:
            with pytest.raises(SettlementNotFound):
                await get_settlement(session, spindles.firm.account.id, ids.new_id())
            with pytest.raises(SettlementNotFound):
                await get_bundle_text(session, ids.new_id())


async def test_reversed_outcome_is_not_settled_or_charged(spindles: Contract) -> None:
    """One reversal is before the settlement, one in its dispute window."""
    first = await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    second = await spindles.is_confirmed("W-2", "M2", 2026, 10, 11, 12)
    await spindles.is_confirmed("W-3", "M3", 2026, 10, 11, 12)
    await spindles.reverses(first)
    await spindles.until(2026, 11, 4)
    assert await minors(spindles) == [600_00]
    await spindles.reverses(second)
    await spindles.until(2026, 11, 14)
    await spindles.until(2026, 12, 1, 1)
    _, november = await spindles.firm.invoices()
    assert await spindles.outcome_lines(november) == [("customer_system", "1", "300.00")]


async def test_settling_a_settled_month_again_creates_no_settlement(spindles: Contract) -> None:
    await spindles.until(2026, 11, 4)
    story = spindles.firm.story
    async with story.database.transaction() as session:
        place = (spindles.firm.account.id, spindles.row.id, measure_effect)
        assert await settle_contract(session, story.clock, *place) == []
