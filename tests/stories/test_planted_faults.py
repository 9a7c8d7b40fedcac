"""`maas reconcile` finds a fault that was planted in the books, names it, and is silent otherwise.

Each fault is planted past the database's own guards, as a slip of an administrator could be. The
month: 500,000 output tokens at 0.000002 are 1.00; with 6 % tax 1.06, of which the wallet pays
0.30 and a bank transfer 0.50.
"""

from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text

from billing.books.wallets import Grant, top_up
from billing.checks.book_checks import CHECKS, RERATED
from billing.checks.stripe_checks import compare_with_stripe
from billing.collecting.payments import Payments
from billing.collecting.stripe_facts import Charge
from billing.invoices.credit_notes import Credit, write_credit_note
from billing.invoices.settling import Receipt, record_payment
from billing.rating.quantities import METERS
from tests.support.fakes.stripe.running import run_fake_stripe
from tests.support.stories.story import Firm, Story

_TOTALS = "the totals of a period are what its usage rows say"
# By the check that finds it: what is planted.
FAULTS = {
    _TOTALS: "delete from usage where request_id = (select min(request_id::text)::uuid from usage)",
    "a usage row names terms that are kept": "delete from plan_version where plan = 'list'",
    "a ledger transaction sums to zero": """
        insert into ledger_posting (transaction_id, position, account_id, book, minor, invoice_id)
        select transaction_id, 99, account_id, book, minor, invoice_id
        from ledger_posting where book = 'revenue_usage' limit 1
    """,
    "what is booked for a final invoice is what it says": """
        update invoice set total = total + 1, tax = tax + 1
    """,
    "an invoice is open as long as something is owed": "update invoice set status = 'paid'",
    "the cash of an invoice is what was paid for it, less what was refunded": """
        delete from payment
    """,
    "no grant has less than nothing left": """
        update ledger_posting set minor = minor * 4 where book = 'wallet' and minor > 0
    """,
    "a grant was put into the wallet once": """
        insert into ledger_posting (transaction_id, position, account_id, book, minor, grant_id)
        select transaction_id, 99, account_id, book, minor, grant_id
        from ledger_posting where book = 'wallet' and minor < 0 limit 1
    """,
    "invoice numbers have no gaps": "update number_series set last = 7 where document = 'invoice'",
    "credit note numbers have no gaps": """
        update number_series set last = 7 where document = 'credit_note'
    """,
    "a charge is on its invoice once, as it was made": "update invoice_line set kind = 'outcome'",
    RERATED: "update invoice_line set minor = minor + 1",
}


async def _month(story: Story) -> Firm:
    firm = await story.firm(tax_ppm=60_000)
    clock, account = story.clock, firm.account.id
    async with story.database.transaction() as session:
        await top_up(session, clock, account, "top-up-1", Grant(30))
    story.clock.set(2026, 10, 12)
    for _ in range(2):
        await firm.use("llm", output_tokens=250_000)
    await story.until(2026, 11, 1, 1)
    (invoice,) = await firm.invoices()
    assert (invoice.net, invoice.tax, invoice.total) == (100, 6, 106)
    async with story.database.transaction() as session:
        receipt = Receipt("manual", "bank-1", 50, clock.now())
        await record_payment(session, clock, account, invoice.id, receipt)
        await write_credit_note(session, clock, account, invoice.id, "cn", Credit(10, "goodwill"))
    return firm


async def _plant(story: Story, statement: str) -> None:
    async with story.database.transaction() as session:
        await session.execute(text("set local session_replication_role = replica"))
        await session.execute(text(statement))


async def test_a_month_without_a_fault_is_silent(story: Story) -> None:
    await _month(story)
    assert await story.differences() == ()


def test_each_check_has_a_fault() -> None:
    assert set(FAULTS) == {*CHECKS, RERATED}


@pytest.mark.parametrize("check", FAULTS)
async def test_a_planted_fault_is_found(story: Story, check: str) -> None:
    await _month(story)
    await _plant(story, FAULTS[check])
    found = {difference.check for difference in await story.differences()}
    assert check in found, found


async def test_usage_that_was_changed_afterwards(story: Story) -> None:
    """A row made cheaper: its totals, and by them its invoice, say more than the rows."""
    await _month(story)
    await _plant(story, "update usage set output_tokens = 1")
    assert _TOTALS in {difference.check for difference in await story.differences()}


@pytest.mark.parametrize("meter", [one for one in METERS if one != "cached_input_tokens"])
async def test_totals_of_a_meter_that_were_changed(story: Story, meter: str) -> None:
    """More cached input tokens than input tokens would be no quantities at all."""
    await _month(story)
    await _plant(story, f"update usage_total set {meter} = {meter} + 1")
    assert _TOTALS in {difference.check for difference in await story.differences()}


class TestStripe:
    @pytest.mark.parametrize("total", [1060, 1061])
    async def test_an_invoice_with_another_total(self, story: Story, total: int) -> None:
        """5,000,000 tokens are 10.00, with tax 10.60; Stripe asks for a fen more."""
        firm = await story.firm(tax_ppm=60_000)
        story.clock.set(2026, 10, 12)
        await firm.use("llm", output_tokens=5_000_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        async with run_fake_stripe() as fake, AsyncExitStack() as stack:
            payments = Payments(fake.key, fake.url)
            stack.push_async_callback(payments.close)
            customer = await payments.make_customer("c", firm.account.id.hex, "Acme", "")
            made = await payments.make_invoice(
                "i", customer, invoice.id.hex, "MAAS-000001", "CNY", 30
            )
            await payments.add_charges("l", made, [Charge("usage", total)])
            await payments.finalise("f", made.id)
            await _plant(story, f"update invoice set stripe_invoice = '{made.id}'")
            compared = await compare_with_stripe(story.database, payments)
            assert compared.invoices == 1
            told = [(one.recorded, one.expected) for one in compared.differences]
            assert told == ([] if total == 1060 else [(1061, 1060)])
            await payments.void("v", made.id)
            status = (await compare_with_stripe(story.database, payments)).differences[-1]
            assert (status.recorded, status.expected) == (1, 0)
            await _plant(story, "update invoice set stripe_invoice = 'in_none'")
            (gone,) = (await compare_with_stripe(story.database, payments)).differences
            assert (gone.recorded, gone.expected) == (0, 1)
