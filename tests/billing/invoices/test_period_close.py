"""Period close: bills each ended period and due fee of an account once."""

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
    """Close the periods of this account only, without aggregating usage first."""
    async with story.database.transaction() as session:
        return await close_and_invoice(session, story.clock, firm.account.id, grace)


async def to_bill(story: Story) -> list[UUID]:
    async with story.database.transaction() as session:
        return await list_accounts_to_bill(session, story.clock.now())


async def step(story: Story) -> None:
    async with story.database.transaction() as session:
        await aggregate_usage(session, story.clock)


class TestAccountsToBill:
    async def test_lists_accounts_with_ended_periods_or_due_fees(self, story: Story) -> None:
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

    async def test_cancelled_plan_has_no_due_fees(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await firm.cancel()
        story.clock.set(2026, 11, 1)
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            assert await preview_fee_lines(session, profile, story.clock.now()) == []
            assert await invoice_due_fees(session, story.clock, profile) == []


class TestPeriodClose:
    async def test_new_account_has_no_period_to_close(self, story: Story) -> None:
        firm = await story.firm()
        assert await bill(story, firm) == []
        assert await sql(story.database, _CLOSED) == [(False,)]

    async def test_draft_adds_late_usage_and_keeps_one_fee_until_final(self, story: Story) -> None:
        """The fee of the first draft stays on it, once."""
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

    async def test_close_waits_until_usage_totals_pass_grace_period(self, story: Story) -> None:
        """The usage cursor must pass the grace period; the closing process's clock is ignored."""
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

    async def test_configured_grace_period_is_applied(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        story.clock.set(2026, 11, 1)
        await step(story)
        assert len(await bill(story, firm, timedelta(0))) == 1

    async def test_closed_period_keeps_cost_and_usage_cursor(self, story: Story) -> None:
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

    async def test_draft_with_deleted_usage_is_finalised_at_zero(self, story: Story) -> None:
        """Usage totals are deleted by hand: the existing draft is finalised at 0.00."""
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


class TestFeeInvoices:
    async def test_missed_fees_are_billed_on_one_invoice(self, story: Story) -> None:
        """No job ran from October to January: fees of November, December and January are due."""
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

    async def test_zero_fee_creates_no_invoice(self, story: Story) -> None:
        firm = await story.firm()
        change = await firm.subscribe(await story.plan(GROWTH.replace("310.00", "0")))
        assert change.invoices == ()
        assert change.phase.fees_until == story.clock.at(2026, 11, 1)


class TestUnusedFeeCredits:
    async def unused(self, firm: Firm) -> list[int]:
        story = firm.story
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            now = story.clock.now()
            phase = (await require_subscription(session, firm.account.id, now)).phase
            return [
                line.minor for line in await list_unused_fee_credits(session, profile, phase, now)
            ]

    async def test_invoiced_fee_is_credited_for_remaining_days(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 10, 11)
        assert await self.unused(firm) == [-210_00]
        await firm.change(await story.plan(SCALE))
        story.clock.set(2026, 10, 21)
        assert await self.unused(firm) == [-220_00]  # 420.00 x 11 / 21

    async def test_voided_fee_invoice_creates_no_credit(self, story: Story) -> None:
        firm = await story.firm()
        (fee,) = (await firm.subscribe(await story.plan(GROWTH))).invoices
        await story.voids(fee)
        story.clock.set(2026, 10, 11)
        assert await self.unused(firm) == []

    @pytest.mark.parametrize("days", [1, 31])
    async def test_trial_creates_no_credit(self, story: Story, days: int) -> None:
        firm = await story.firm()
        trial = GROWTH.replace("list_prices", f"trial_days = {days + 10}\nlist_prices")
        await firm.subscribe(await story.plan(trial))
        story.clock.set(2026, 10, 2)
        assert await self.unused(firm) == []

    async def test_elapsed_days_create_no_credit(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 11, 5)
        assert await self.unused(firm) == []
