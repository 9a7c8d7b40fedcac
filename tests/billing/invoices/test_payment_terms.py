"""Payment terms of plans: dunning days, late fees and instalments by calendar."""

from typing import Any

import pytest

from billing.accounts.profiles import get_profile
from billing.credit.policies import lock_credit_terms
from billing.cycle import dun_accounts
from billing.invoices.instalments import list_parts
from billing.invoices.lifecycle import InvalidInvoiceState
from billing.invoices.payment_failures import (
    PaymentNotFound,
    record_chargeback,
)
from billing.invoices.payment_terms import load_dunning_policies
from billing.rating.payment_terms import DunningPolicy
from tests.support.billing.credit import bill_rows
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story

PLAN = """
plan = "later"
names = { en = "Pay later", zh = "先用后付" }
currency = "CNY"

[[price]]
model = "vib"
meter = "rows"
price = "0.001"
"""
DUNNING = "[payment.dunning]\nreminder_days = [2]\nsuspend_day = 4\n"
INTEREST = '[payment.late_fee]\nmonthly_percent = "1.5"\ngrace_days = 5\n'
PARTS = "[payment.instalments]\nparts = 3\ndays_between = 10\n"


async def on_plan(story: Story, payment: str, **profile: Any) -> Firm:
    """A firm on a plan with these payment terms, which owes 300.00 since 1 November, 1:00."""
    firm = await story.firm(**{"net_days": 0, "locale": "en", **profile})
    await firm.billed(email="pay@acme.example")
    await firm.subscribe(await story.plan(PLAN + payment))
    await bill_rows(firm, 300_000, 2026, 11, 1)
    return firm


async def dunned(firm: Firm) -> tuple[int, bool]:
    """Run dunning; (steps taken for the oldest invoice, whether calls are suspended)."""
    await dun_accounts(firm.story.database, firm.story.clock)
    async with firm.story.database.transaction() as session:
        profile = await get_profile(session, firm.account.id)
    return (await firm.invoices())[0].reminders, profile.suspended_at is not None


class TestDunningDays:
    async def test_plan_sets_the_days(self, story: Story) -> None:
        firm = await on_plan(story, DUNNING)
        story.clock.pass_(days=1)
        assert await dunned(firm) == (0, False)
        story.clock.pass_(days=1)
        assert await dunned(firm) == (1, False)
        story.clock.pass_(days=2)
        assert await dunned(firm) == (2, True)

    async def test_later_terms_do_not_change_an_open_invoice(self, story: Story) -> None:
        """Suspension on day 4 is agreed when the invoice is 6 days overdue: its day stays 15."""
        firm = await on_plan(story, "")
        story.clock.pass_(days=6)
        async with story.database.transaction() as session:
            terms = await lock_credit_terms(session, firm.account.id)
            terms.dunning = {"reminders": [2], "suspend": 4, "write_off": None}
        assert await dunned(firm) == (2, False)
        await bill_rows(firm, 1_000, 2026, 12, 1)
        first, second = await firm.invoices()
        async with story.database.transaction() as session:
            policies = await load_dunning_policies(session, [first.id, second.id])
        assert [policies[one.id].suspend for one in (first, second)] == [15, 4]
        assert policies[second.id] == DunningPolicy((2,), 4)

    async def test_write_off_day_writes_off_and_keeps_calls_suspended(self, story: Story) -> None:
        firm = await on_plan(story, DUNNING + "write_off_day = 30\n")
        story.clock.pass_(days=29)
        await dunned(firm)
        assert (await firm.invoices())[0].status == "open"
        story.clock.pass_(days=1)
        assert (await dunned(firm))[1]
        assert (await firm.invoices())[0].status == "uncollectible"
        assert await story.differences() == ()


class TestLateFees:
    async def test_interest_is_a_line_of_the_next_invoice_and_never_compounds(
        self, story: Story
    ) -> None:
        """1.5 % a month, 5 days of grace: 0.15 a day for 300.00.

        due on 1 November, 1:00; the period of November ends on 1 December, 0:00
        whole days from 6 November, 1:00 to 1 December, 0:00: 24, so 3.60
        December: 31 more days of 300.00 are 4.65. The November invoice (1.00 + 3.60, due on
        1 December, 1:00) bears 25 days of 1.00: 0.0125, which is 0.01
        """
        firm = await on_plan(story, INTEREST)
        await bill_rows(firm, 1_000, 2026, 12, 1)
        await bill_rows(firm, 1_000, 2027, 1, 1)
        _, november, december = await firm.invoices()
        fees = [line for line in await firm.lines(november) if line[0] == "late_fee"]
        assert fees == [("late_fee", None, None, None, 0, "3.60")]
        assert firm.amounts(november) == ("4.60", "0.00", "4.60")
        lines = await firm.lines(december)
        assert [line[-1] for line in lines if line[0] == "late_fee"] == ["4.65", "0.01"]
        assert await story.differences() == ()

    async def test_late_fee_has_the_tax_of_the_next_invoice(self, story: Story) -> None:
        """339.00 with 13 % tax: 0.1695 a day, 24 days are 4.07; tax on 1.00 + 4.07 is 0.66."""
        firm = await on_plan(story, INTEREST, tax_ppm=130_000)
        await bill_rows(firm, 1_000, 2026, 12, 1)
        assert firm.amounts((await firm.invoices())[1]) == ("5.07", "0.66", "5.73")

    async def test_late_payment_is_charged_once_on_an_invoice_of_its_own(
        self, story: Story
    ) -> None:
        """Paid 10 days late: 5 days of 0.15. November has no usage."""
        firm = await on_plan(story, INTEREST)
        story.clock.pass_(days=10)
        await firm.pays_all()
        await story.until(2026, 12, 1, 1)
        await story.until(2027, 1, 1, 1)
        assert [await firm.lines(one) for one in (await firm.invoices())[1:]] == [
            [("late_fee", None, None, None, 0, "0.75")]
        ]

    async def test_payment_on_time_and_void_invoices_have_none(self, story: Story) -> None:
        firm = await on_plan(story, INTEREST)
        await story.voids((await firm.invoices())[0])
        await story.until(2026, 12, 1, 1)
        assert len(await firm.invoices()) == 1


class TestInstalments:
    async def test_parts_are_paid_in_order_and_dunned_each(self, story: Story) -> None:
        """Three parts of 100.00, due on 1, 11 and 21 November; reminders after 2 days."""
        firm = await on_plan(story, PARTS + DUNNING)
        invoice = (await firm.invoices())[0]
        async with story.database.transaction() as session:
            parts = await list_parts(session, firm.account.id, invoice.id)
        assert [part.minor for part in parts] == [100_00, 100_00, 100_00]
        story.clock.pass_(days=2)
        assert await dunned(firm) == (1, False)
        await firm.pays(invoice, "100.00", "part-1")
        (invoice,) = await firm.invoices()
        assert (invoice.due_at, invoice.reminders) == (parts[1].due_at, 0)
        story.clock.pass_(days=10)
        assert await dunned(firm) == (1, False)
        rows = await sql(story.database, "select payload from outbox order by id")
        assert ["for 100.00 CNY was due" in row.payload["text"] for row in rows] == [True, True]
        story.clock.pass_(days=2)
        assert await dunned(firm) == (2, True)
        await firm.pays(invoice, "200.00", "part-2")
        assert (await dunned(firm))[1] is False
        assert (await firm.invoices())[0].status == "paid"
        assert await story.differences() == ()

    async def test_wallet_pays_the_first_parts(self, story: Story) -> None:
        """150.00 of the wallet pay the first part and half of the second."""
        firm = await story.firm(net_days=0)
        await firm.subscribe(await story.plan(PLAN + PARTS))
        await firm.tops_up("150.00", "topup-1")
        await bill_rows(firm, 300_000, 2026, 11, 1)
        assert (await firm.invoices())[0].due_at == story.clock.at(2026, 11, 11, 1)

    async def test_late_fee_counts_parts_that_are_due(self, story: Story) -> None:
        """Parts of 100.00 with 5 days of grace: 24, 14 and 4 days of 0.05 are 2.10."""
        firm = await on_plan(story, PARTS + INTEREST)
        await story.until(2026, 12, 1, 1)
        assert [line[-1] for line in await firm.lines((await firm.invoices())[1])] == ["2.10"]


class TestChargeback:
    async def test_chargeback_of_an_unknown_payment_raises(self, story: Story) -> None:
        firm = await story.firm()
        async with story.database.transaction() as session:
            with pytest.raises(PaymentNotFound):
                await record_chargeback(session, story.clock, firm.account.id, "bank-1")

    async def test_chargeback_of_a_written_off_invoice_is_bad_debt_again(
        self, story: Story
    ) -> None:
        firm = await on_plan(story, "")
        invoice = (await firm.invoices())[0]
        await story.gives_up(invoice)
        await firm.pays(invoice, "300.00")
        async with story.database.transaction() as session:
            await record_chargeback(session, story.clock, firm.account.id, "bank-1")
        assert (await firm.invoices())[0].status == "uncollectible"
        assert await story.differences() == ()

    async def test_part_payment_taken_back_leaves_the_due_date(self, story: Story) -> None:
        firm = await on_plan(story, PARTS)
        before = (await firm.invoices())[0]
        await firm.pays(before, "100.00")
        moved = (await firm.invoices())[0]
        async with story.database.transaction() as session:
            await record_chargeback(session, story.clock, firm.account.id, "bank-1")
        after = (await firm.invoices())[0]
        assert (after.due_at, await firm.owes(after)) == (moved.due_at, "300.00")

    async def test_chargeback_of_a_void_invoice_raises(self, story: Story) -> None:
        firm = await on_plan(story, "")
        invoice = (await firm.invoices())[0]
        await firm.pays(invoice, "300.00")
        await sql(story.database, f"update invoice set status = 'void' where id = '{invoice.id}'")
        async with story.database.transaction() as session:
            with pytest.raises(InvalidInvoiceState):
                await record_chargeback(session, story.clock, firm.account.id, "bank-1")
