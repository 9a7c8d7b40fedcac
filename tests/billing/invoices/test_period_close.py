"""Closing: what is due of an account, once, whenever it runs."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.accounts.profiles import lock_profile
from billing.invoices.period_close import (
    close_and_invoice,
    invoice_due_fees,
    list_accounts_to_bill,
    list_unused_fee_credits,
    preview_fee_lines,
)
from billing.subscriptions.subscriptions import require_subscription
from billing.subscriptions.usage_totals import aggregate_usage
from billing.tables import Invoice
from tests.support.billing.making import sql
from tests.support.stories.plan_texts import GROWTH, SCALE
from tests.support.stories.story import Firm, Story

_CLOSED = "select closed_at is not null from billing_period order by starts_at"


async def bill(story: Story, firm: Firm, grace: timedelta = timedelta(hours=1)) -> list[Invoice]:
    """Only this account, and without taking in usage before."""
    async with story.database.transaction() as session:
        return await close_and_invoice(session, story.clock, firm.account.id, grace)


async def to_bill(story: Story) -> list[UUID]:
    async with story.database.transaction() as session:
        return await list_accounts_to_bill(session, story.clock.now())


async def step(story: Story) -> None:
    async with story.database.transaction() as session:
        await aggregate_usage(session, story.clock)


class TestWhatIsDue:
    async def test_periods_that_are_over_and_fees(self, story: Story) -> None:
        over, idle = await story.firm("A"), await story.firm("B")
        paying = await story.firm("C")
        trial = GROWTH.replace("list_prices", "trial_days = 5\nlist_prices")
        await paying.subscribe(await story.plan(trial))
        story.clock.set(2026, 10, 5, 23, 59)
        await step(story)
        assert await to_bill(story) == []
        story.clock.set(2026, 10, 6)
        assert await to_bill(story) == [paying.account.id]
        story.clock.set(2026, 11, 1)
        firms = {one.account.id for one in (over, idle, paying)}
        assert set(await to_bill(story)) == firms

    async def test_nothing_of_a_plan_that_ended(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await firm.cancel()
        story.clock.set(2026, 11, 1)
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            assert await preview_fee_lines(session, profile, story.clock.now()) == []
            assert await invoice_due_fees(session, story.clock, profile) == []


class TestPeriods:
    async def test_a_new_account_has_nothing_to_close(self, story: Story) -> None:
        firm = await story.firm()
        assert await bill(story, firm) == []
        assert await sql(story.database, _CLOSED) == [(False,)]

    async def test_a_draft_follows_the_usage_until_it_is_final(self, story: Story) -> None:
        """The fee that was put onto the draft at first stays, and is there once."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await firm.use("vib", rows=1_000)
        story.clock.set(2026, 11, 1, 0, 10)
        await step(story)
        assert await bill(story, firm) == []
        draft = (await firm.invoices())[-1]
        assert (draft.status, firm.text(draft.total)) == ("draft", "311.00")
        await firm.use("vib", at=story.clock.at(2026, 10, 31), rows=2_000)
        story.clock.set(2026, 11, 1, 0, 20)
        await step(story)
        await bill(story, firm)
        assert await firm.lines(draft) == [
            ("usage", "vib", "rows", 3_000, 0, "3.00"),
            ("fixed_fee", None, None, None, 0, "310.00"),
        ]
        assert len(await firm.invoices()) == 2

    async def test_waits_until_the_totals_have_gone_past_the_grace(self, story: Story) -> None:
        """It is the totals that must be past it, not the clock of who closes."""
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        story.clock.set(2026, 11, 1, 0, 59)
        await step(story)
        story.clock.set(2026, 11, 1, 2)
        assert await bill(story, firm) == []
        assert await sql(story.database, _CLOSED) == [(False,), (False,)]
        await step(story)
        assert len(await bill(story, firm)) == 1
        assert await bill(story, firm) == []
        assert await sql(story.database, _CLOSED) == [(True,), (False,)]

    async def test_the_grace_is_the_operators(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        story.clock.set(2026, 11, 1)
        await step(story)
        assert len(await bill(story, firm, timedelta(0))) == 1

    async def test_keeps_what_its_calls_cost_as_they_went(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        story.clock.set(2026, 11, 1, 1)
        await step(story)
        await bill(story, firm)
        kept = await sql(
            story.database,
            "select cost_nano, cut = (select consumed from usage_cursor) from billing_period"
            " where closed_at is not null",
        )
        assert kept == [(10**9, True)]

    async def test_a_draft_whose_usage_is_gone_stays_a_document(self, story: Story) -> None:
        """Someone moved the usage away by hand: the draft that is there becomes one of 0.00."""
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        story.clock.set(2026, 11, 1, 0, 10)
        await step(story)
        await bill(story, firm)
        await sql(story.database, "delete from usage_total")
        story.clock.set(2026, 11, 1, 1)
        await step(story)
        (final,) = await bill(story, firm)
        assert (final.status, final.total, await firm.lines(final)) == ("paid", 0, [])


class TestFees:
    async def test_all_that_were_missed(self, story: Story) -> None:
        """Nothing ran from October to January: the fees of November, December, January."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2027, 1, 10)
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            ahead = await preview_fee_lines(session, profile, story.clock.now())
            (invoice,) = await invoice_due_fees(session, story.clock, profile)
            assert await invoice_due_fees(session, story.clock, profile) == []
        assert [line.minor for line in ahead] == [310_00] * 3
        assert await firm.fees(invoice) == [
            ("fixed_fee", f"{year}-{month:02d}-01", end, "310.00")
            for year, month, end in (
                (2026, 11, "2026-12-01"),
                (2026, 12, "2027-01-01"),
                (2027, 1, "2027-02-01"),
            )
        ]
        assert (invoice.starts_at, invoice.ends_at) == (
            story.clock.at(2026, 11, 1),
            story.clock.at(2027, 2, 1),
        )

    async def test_of_nothing_are_on_no_invoice(self, story: Story) -> None:
        firm = await story.firm()
        change = await firm.subscribe(await story.plan(GROWTH.replace("310.00", "0")))
        assert change.invoices == ()
        assert change.phase.fees_until == story.clock.at(2026, 11, 1)


class TestUnused:
    async def unused(self, firm: Firm) -> list[int]:
        story = firm.story
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            now = story.clock.now()
            phase = (await require_subscription(session, firm.account.id, now)).phase
            return [
                line.minor for line in await list_unused_fee_credits(session, profile, phase, now)
            ]

    async def test_of_what_was_invoiced_for_the_days_to_come(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 10, 11)
        assert await self.unused(firm) == [-210_00]
        await firm.change(await story.plan(SCALE))
        story.clock.set(2026, 10, 21)
        assert await self.unused(firm) == [-220_00]  # 420.00 x 11 / 21

    async def test_nothing_of_an_invoice_that_was_voided(self, story: Story) -> None:
        firm = await story.firm()
        (fee,) = (await firm.subscribe(await story.plan(GROWTH))).invoices
        await story.voids(fee)
        story.clock.set(2026, 10, 11)
        assert await self.unused(firm) == []

    @pytest.mark.parametrize("days", [1, 31])
    async def test_nothing_of_a_trial(self, story: Story, days: int) -> None:
        firm = await story.firm()
        trial = GROWTH.replace("list_prices", f"trial_days = {days + 10}\nlist_prices")
        await firm.subscribe(await story.plan(trial))
        story.clock.set(2026, 10, 2)
        assert await self.unused(firm) == []

    async def test_nothing_where_its_days_have_passed(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 11, 5)
        assert await self.unused(firm) == []
