"""Stripe checks: differences between invoices here and in Stripe are reported.

5,000,000 output tokens at 0.000002 are 10.00; with 6 % tax 10.60.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from billing.collection.collector import InvoiceItem
from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.collector import StripeCollector
from billing.reconciliation.collector import CollectorComparison, compare_with_collector
from billing.tables import Invoice
from tests.support.billing.making import sql
from tests.support.fakes.stripe.running import run_fake_stripe
from tests.support.stories.story import Firm, Story

TOTAL = "Stripe totals equal the invoices"
STATUS = "Stripe payment status equals the invoice status"
THERE = "Invoices that Stripe collects exist in Stripe"


class October:
    """A final invoice of 10.60 and a fake Stripe with an invoice for it."""

    def __init__(self, firm: Firm, invoice: Invoice, payments: StripeClient) -> None:
        self.firm, self.invoice, self.payments = firm, invoice, payments

    async def has(self, total: int) -> str:
        """Create the invoice in Stripe with this total and finalize it. Returns its Stripe id."""
        customer = await self.payments.create_customer("c", self.firm.account.id.hex, "Acme", "")
        ours = self.invoice.id.hex, "MAAS-000001", "CNY"
        made = await self.payments.create_invoice("i", customer, *ours, 30)
        await self.payments.add_line_items("l", made, [InvoiceItem("usage", total)])
        await self.payments.finalize_invoice("f", made.id)
        await self.knows(made.id)
        return made.id

    async def knows(self, stripe_id: str) -> None:
        statement = (
            "update invoice set collector = 'stripe', external_invoice = :there where id = :ours"
        )
        database, ours = self.firm.story.database, self.invoice.id
        await sql(database, statement, there=stripe_id, ours=ours)

    async def compared(self) -> CollectorComparison:
        return await compare_with_collector(
            self.firm.story.database, StripeCollector(self.payments)
        )

    async def found(self) -> list[tuple[str, str, int, int]]:
        return [
            (one.check, one.subject, one.recorded, one.expected)
            for one in (await self.compared()).differences
        ]


@pytest.fixture
async def october(story: Story, network: None) -> AsyncIterator[October]:
    firm = await story.firm(tax_ppm=60_000)
    story.clock.set(2026, 10, 12)
    await firm.use("llm", output_tokens=5_000_000)
    await story.until(2026, 11, 1, 1)
    (invoice,) = await firm.invoices()
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(run_fake_stripe())
        payments = StripeClient(fake.key, fake.url)
        stack.push_async_callback(payments.close)
        yield October(firm, invoice, payments)


async def test_invoice_not_collected_by_stripe_is_not_compared(october: October) -> None:
    assert await october.compared() == CollectorComparison(0, ())


async def test_invoice_with_equal_stripe_total_has_no_difference(october: October) -> None:
    await october.has(1060)
    assert await october.compared() == CollectorComparison(1, ())


async def test_different_stripe_total_is_reported(october: October) -> None:
    await october.has(1061)
    assert await october.found() == [(TOTAL, str(october.invoice.id), 1061, 1060)]


async def test_wallet_payment_reduces_the_expected_stripe_total(october: October) -> None:
    """The wallet pays 4.00 of November's 10.60, so Stripe collects 6.60."""
    await october.firm.pays_all()
    await october.firm.tops_up("4.00", "top-up-1")
    await october.firm.use("llm", output_tokens=5_000_000)
    await october.firm.story.until(2026, 12, 1, 1)
    october.invoice = (await october.firm.invoices())[-1]
    await october.has(660)
    assert await october.compared() == CollectorComparison(1, ())


@pytest.mark.parametrize("end", ["void_invoice", "mark_uncollectible"])
async def test_invoice_closed_only_in_stripe_is_reported(october: October, end: str) -> None:
    there = await october.has(1060)
    await getattr(october.payments, end)("v", there)
    assert await october.found() == [(STATUS, str(october.invoice.id), 1, 0)]


async def test_invoice_paid_only_in_the_ledger_is_reported(october: October) -> None:
    await october.has(1060)
    await october.firm.pays(october.invoice, "10.60")
    # Stripe was told of it, and did not do it.
    await sql(october.firm.story.database, "update outbox set done_at = now()")
    assert await october.found() == [(STATUS, str(october.invoice.id), 0, 1)]


async def test_invoice_missing_in_stripe_is_reported(october: October) -> None:
    await october.knows("in_none")
    assert await october.found() == [(THERE, str(october.invoice.id), 0, 1)]
