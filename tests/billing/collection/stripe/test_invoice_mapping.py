"""What Stripe is told of an invoice, and its share of a credit note."""

from typing import Any
from uuid import UUID

import pytest

from billing.accounts.profiles import Collection
from billing.collection.stripe.invoice_mapping import (
    InvoiceForStripe,
    build_invoice_for_stripe,
    map_credit_note,
)
from billing.collection.stripe.values import StripeCreditNoteRequest, StripeInvoice, StripeLineItem
from billing.outbox import PermanentFailure
from billing.tables import CreditNote, Invoice
from infra import ids
from tests.support.stories.story import Firm, Story


async def bill(story: Story, firm: Firm, invoice: Invoice) -> InvoiceForStripe:
    async with story.database.transaction() as session:
        return await build_invoice_for_stripe(session, firm.account.id, invoice.id)


async def october(story: Story, firm: Firm) -> Invoice:
    await story.until(2026, 11, 1, 1)
    return (await firm.invoices())[-1]


class TestBill:
    async def test_by_charge_and_by_invoice(self, story: Story) -> None:
        firm = await story.firm(collection=Collection.STRIPE_CHARGE, net_days=14)
        await firm.use("vib", rows=30_000)
        invoice = await october(story, firm)
        charged = await bill(story, firm, invoice)
        assert (charged.days_until_due, charged.amount_due, charged.number) == (
            None,
            3000,
            "MAAS-000001",
        )
        await firm.billed(collection="stripe_invoice")
        sent = await bill(story, firm, invoice)
        assert (sent.days_until_due, sent.is_to_collect) == (14, True)
        await firm.billed(collection="manual")
        assert not (await bill(story, firm, invoice)).is_to_collect

    async def test_lines_tax_and_wallet_come_to_what_is_due(self, story: Story) -> None:
        """30.00 + 6 % = 31.80, of which the wallet paid 5.00."""
        firm = await story.firm(locale="en", tax_ppm=60_000)
        await firm.tops_up("5.00", "top-up-1")
        await firm.use("vib", rows=30_000)
        told = await bill(story, firm, await october(story, firm))
        assert told.line_items == (
            StripeLineItem("vib: inference rows: 30,000", 3000),
            StripeLineItem("Tax", 180),
            StripeLineItem("Paid from the wallet", -500),
        )
        assert told.amount_due == sum(charge.minor for charge in told.line_items) == 2680

    async def test_tax_that_is_not_due(self, story: Story) -> None:
        """10 % are included in a fee of 110.00, and the firm accounts for them itself: 100.00."""
        firm = await story.firm(locale="en", tax_ppm=100_000)
        await firm.billed(tax_treatment="reverse_charge", tax_number="DE1")
        change = await firm.subscribe(await story.plan(GROSS))
        told = await bill(story, firm, change.invoices[0])
        assert told.line_items == (
            StripeLineItem("Gross: fixed fee, 2026-10-01 – 2026-10-31", 11000),
            StripeLineItem("Tax that the prices include, not due", -1000),
        )
        assert told.amount_due == 10000

    async def test_of_very_many_lines_the_last_are_one(self, story: Story) -> None:
        """300 models at 1.00 each: 240 lines and one of 60.00, of which Stripe takes 250."""
        firm = await story.firm(locale="en")
        version = await story.plan(many_models(300))
        await firm.subscribe(version)
        for number in range(300):
            await firm.use(f"m{number:03d}", rows=1)
        told = await bill(story, firm, await october(story, firm))
        assert len(told.line_items) == 241
        assert told.line_items[-1] == StripeLineItem("Further lines, see the invoice", 6000)
        assert told.amount_due == 30000

    async def test_discount_and_minimum(self, story: Story) -> None:
        """30.00 less 10 % are 27.00; 13.00 are missing to the minimum of 40.00."""
        firm = await story.firm(locale="en")
        await firm.subscribe(await story.plan(COMMITTED))
        await firm.use("vib", rows=30_000)
        told = await bill(story, firm, await october(story, firm))
        assert told.line_items == (
            StripeLineItem("vib: inference rows: 30,000", 3000),
            StripeLineItem("Committed: 10% discount", -300),
            StripeLineItem("Committed: top-up to the minimum commitment", 1300),
        )

    async def test_lines_of_nothing_are_not_told(self, story: Story) -> None:
        """1 row of 0.001 comes to 0.00."""
        firm = await story.firm()
        await firm.use("vib", rows=1)
        await firm.use("llm", output_tokens=10_000_000)
        told = await bill(story, firm, await october(story, firm))
        assert [charge.minor for charge in told.line_items] == [2000]


GROSS = """
plan = "gross"
names = { en = "Gross", zh = "含税版" }
currency = "CNY"
fixed_fee = "110.00"
tax_inclusive = true
list_prices = true
"""


COMMITTED = """
plan = "committed"
names = { en = "Committed", zh = "保底版" }
currency = "CNY"
minimum = "40.00"
list_prices = true
[[discount]]
percent = "10"
"""


def many_models(count: int) -> str:
    head = 'plan = "many"\nnames = { en = "Many", zh = "多" }\ncurrency = "CNY"\n'
    price = '[[price]]\nmodel = "m{:03d}"\nmeter = "rows"\nprice = "1.00"\n'
    return head + "".join(price.format(number) for number in range(count))


class TestCollectable:
    @pytest.mark.parametrize(
        ("currency", "due", "words"),
        [("KWD", 10_000, "counts KWD otherwise"), ("CNY", 399, "as little as 3.99 CNY")],
    )
    def test_some_are_refused(self, currency: str, due: int, words: str) -> None:
        invoice = Invoice(id=ids.new_id(), currency=currency)
        with pytest.raises(PermanentFailure, match=words):
            InvoiceForStripe(
                invoice, "MAAS-000001", (), due, None, is_manual=False
            ).require_collectable()

    def test_others_are_not(self) -> None:
        invoice = Invoice(id=ids.new_id(), currency="CNY")
        InvoiceForStripe(
            invoice, "MAAS-000001", (), 400, None, is_manual=False
        ).require_collectable()


NOTE = UUID(int=7)


def note(total: int, to_wallet: int = 0, refunded: int = 0) -> CreditNote:
    return CreditNote(
        id=NOTE, total=total, to_wallet=to_wallet, refunded=refunded, reason="a dispute"
    )


def there(status: str, **amounts: Any) -> StripeInvoice:
    given = {
        "total": 3000,
        "due": 3000,
        "remaining": 0,
        "paid": 0,
        "credited_after_payment": 0,
        **amounts,
    }
    return StripeInvoice(
        "in_1", status, currency="CNY", our_invoice_id=None, customer="cus_1", **given
    )


class TestCredits:
    """(credit note, invoice at Stripe, what may be refunded) -> (total, refund, elsewhere)."""

    @pytest.mark.parametrize(
        ("credit", "invoice", "refundable", "told"),
        [
            # What is open becomes less.
            (note(1000), there("open", remaining=3000), 0, (1000, 0, 0)),
            # 5.00 of 30.00 were paid by the wallet, and go back there: not Stripe's concern.
            (note(3000, to_wallet=500), there("open", remaining=2500), 0, (2500, 0, 0)),
            # Paid by card: back to the card, or into the wallet.
            (note(1000, refunded=1000), there("paid", paid=3000), 3000, (1000, 1000, 0)),
            (note(1000, to_wallet=1000), there("paid", paid=3000), 3000, (1000, 0, 1000)),
            # Both.
            (note(900, 400, 500), there("paid", paid=3000), 3000, (900, 500, 400)),
            # Paid by bank: the operator sends it back.
            (note(1000, refunded=1000), there("paid", paid=3000), 0, (1000, 0, 1000)),
            # 10.00 by wallet, 20.00 by card: of 25.00 Stripe knows 20.00.
            (note(2500, 500, 2000), there("paid", paid=2000), 2000, (2000, 2000, 0)),
            # 18.00 of 20.00 were credited before.
            (
                note(1000, refunded=1000),
                there("paid", paid=2000, credited_after_payment=1800),
                200,
                (200, 200, 0),
            ),
            # All was credited before.
            (note(500, 500), there("paid", paid=2000, credited_after_payment=2000), 0, (0, 0, 0)),
            # Stripe does not know yet that it was paid by bank: no credit may lower what is open.
            (note(500, 500), there("open", remaining=3000), 0, (0, 0, 0)),
            # Void in the dashboard.
            (note(1000), there("void"), 0, (0, 0, 0)),
        ],
    )
    def test_share(
        self,
        credit: CreditNote,
        invoice: StripeInvoice,
        refundable: int,
        told: tuple[int, int, int],
    ) -> None:
        share = map_credit_note(credit, invoice, refundable)
        assert share == StripeCreditNoteRequest(NOTE.hex, *told, memo="a dispute")
