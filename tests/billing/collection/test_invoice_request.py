"""The invoice sent to a collector: its lines and amounts."""

import pytest

from billing.collection.collector import InvoiceItem
from billing.collection.invoice_request import InvoiceToCollect, build_invoice_to_collect
from billing.collection.stripe.info import STRIPE
from billing.outbox import PermanentFailure
from billing.tables import Invoice
from infra import ids
from tests.support.stories.story import Firm, Story
from tests.support.stories.stripe_story import CHARGE


async def bill(story: Story, firm: Firm, invoice: Invoice) -> InvoiceToCollect:
    async with story.database.transaction() as session:
        return await build_invoice_to_collect(session, STRIPE, firm.account.id, invoice.id)


async def october(story: Story, firm: Firm) -> Invoice:
    await story.until(2026, 11, 1, 1)
    return (await firm.invoices())[-1]


class TestInvoiceToCollect:
    async def test_due_days_depend_on_collection_method(self, story: Story) -> None:
        firm = await story.firm(collection=CHARGE, net_days=14)
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

    async def test_lines_tax_and_wallet_sum_to_amount_due(self, story: Story) -> None:
        """30.00 + 6 % = 31.80, of which the wallet paid 5.00."""
        firm = await story.firm(locale="en", tax_ppm=60_000)
        await firm.tops_up("5.00", "top-up-1")
        await firm.use("vib", rows=30_000)
        told = await bill(story, firm, await october(story, firm))
        assert told.items == (
            InvoiceItem("vib: inference rows: 30,000", 3000),
            InvoiceItem("Tax", 180),
            InvoiceItem("Paid from the wallet", -500),
        )
        assert told.amount_due == sum(charge.minor for charge in told.items) == 2680

    async def test_reverse_charge_subtracts_included_tax(self, story: Story) -> None:
        """A fee of 110.00 includes 10 % tax; under reverse charge 100.00 are due."""
        firm = await story.firm(locale="en", tax_ppm=100_000)
        await firm.billed(tax_treatment="reverse_charge", tax_number="DE1")
        change = await firm.subscribe(await story.plan(GROSS))
        told = await bill(story, firm, change.invoices[0])
        assert told.items == (
            InvoiceItem("Gross: fixed fee, 2026-10-01 – 2026-10-31", 11000),
            InvoiceItem("Tax included in the prices, not due", -1000),
        )
        assert told.amount_due == 10000

    async def test_lines_beyond_240_are_combined_into_a_single_line(self, story: Story) -> None:
        """300 models at 1.00 each give 240 lines and one of 60.00. Stripe accepts 250 lines."""
        firm = await story.firm(locale="en")
        version = await story.plan(many_models(300))
        await firm.subscribe(version)
        for number in range(300):
            await firm.use(f"m{number:03d}", rows=1)
        told = await bill(story, firm, await october(story, firm))
        assert len(told.items) == 241
        assert told.items[-1] == InvoiceItem("Further lines, see the invoice", 6000)
        assert told.amount_due == 30000

    async def test_discount_and_minimum_are_separate_lines(self, story: Story) -> None:
        """30.00 less 10 % are 27.00; a top-up of 13.00 reaches the minimum of 40.00."""
        firm = await story.firm(locale="en")
        await firm.subscribe(await story.plan(COMMITTED))
        await firm.use("vib", rows=30_000)
        told = await bill(story, firm, await october(story, firm))
        assert told.items == (
            InvoiceItem("vib: inference rows: 30,000", 3000),
            InvoiceItem("Committed: 10% discount", -300),
            InvoiceItem("Committed: top-up to the minimum commitment", 1300),
        )

    async def test_zero_lines_are_omitted(self, story: Story) -> None:
        """1 row at 0.001 is rounded to 0.00."""
        firm = await story.firm()
        await firm.use("vib", rows=1)
        await firm.use("llm", output_tokens=10_000_000)
        told = await bill(story, firm, await october(story, firm))
        assert [charge.minor for charge in told.items] == [2000]


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


class TestCollectableCheck:
    @pytest.mark.parametrize(
        ("currency", "due", "words"),
        [("KWD", 10_000, "minor units of KWD"), ("CNY", 399, "as little as 3.99 CNY")],
    )
    def test_unsupported_currency_or_small_amount_is_rejected(
        self, currency: str, due: int, words: str
    ) -> None:
        invoice = Invoice(id=ids.new_id(), currency=currency)
        with pytest.raises(PermanentFailure, match=words):
            InvoiceToCollect(
                invoice, "MAAS-000001", (), due, None, is_manual=False
            ).require_collectable(STRIPE)

    def test_minimum_amount_in_supported_currency_is_accepted(self) -> None:
        invoice = Invoice(id=ids.new_id(), currency="CNY")
        InvoiceToCollect(
            invoice, "MAAS-000001", (), 400, None, is_manual=False
        ).require_collectable(STRIPE)
