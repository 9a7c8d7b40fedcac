"""Invoice documents built from stored rows: amounts, texts, dates, tax and balance."""

from datetime import date
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoice_documents.builder import build_invoice_document, build_invoice_preview
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.values import DocumentLine
from billing.invoices.balances import InvoiceBalance
from billing.invoices.lifecycle import InvoiceNotFound
from billing.money import minor_text
from billing.rating.plan_file import list_price_terms
from billing.subscriptions.plans import publish_plan
from billing.tables import Invoice
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import sql
from tests.support.stories.story import LISTED, Firm, Story

GROWTH = """
plan = "growth"
names = { en = "Growth", zh = "成长版" }
currency = "CNY"
fixed_fee = "310.00"
minimum = "20.00"
list_prices = true

[[allowance]]
model = "llm"
meter = "output_tokens"
quantity = 310_000

[[discount]]
model = "vib"
percent = "12.5"
"""
GROSS = """
plan = "gross"
names = { en = "Gross", zh = "含税版" }
currency = "CNY"
fixed_fee = "620.00"
list_prices = true
tax_inclusive = true
"""


@pytest.fixture
async def story(database: Database) -> Story:
    return Story(database)


async def documented(firm: Firm, invoice: Invoice, locale: str | None = None) -> InvoiceDocument:
    async with firm.story.database.transaction() as session:
        return await build_invoice_document(session, firm.account.id, invoice.id, locale)


async def previewed(firm: Firm) -> InvoiceDocument:
    async with firm.story.database.transaction() as session:
        return await build_invoice_preview(session, firm.story.clock, firm.account.id)


def told(line: DocumentLine, document: InvoiceDocument) -> tuple[str, str]:
    return line.description, minor_text(line.line.minor, document.currency)


class TestMonthlyInvoice:
    """October on plan Growth from the 1st. 500,000 output tokens, of which 310,000 are included:
    190,000 x 0.000002 = 0.38. 100 rows x 0.001 = 0.10, less 12.5 % = 0.01. Top-up to the minimum of
    20.00: 19.53. Fee of November: 310.00. With 6 % tax: 330.00 + 19.80 = 349.80."""

    @pytest.fixture
    async def firm(self, story: Story) -> Firm:
        firm = await story.firm(tax_ppm=60_000)
        await firm.billed(address="上海市", tax_number="9131", billing_name="Acme Ltd.")
        story.clock.set(2026, 10, 1, 9)
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 10, 12)
        await firm.use("llm", output_tokens=500_000, tags={"order": "A-1"})
        await firm.use("vib", rows=100)
        await story.counts()
        return firm

    async def test_preview_equals_later_final_invoice(self, firm: Firm) -> None:
        preview = await previewed(firm)
        await firm.story.until(2026, 11, 1, 1)
        final = await documented(firm, (await firm.invoices())[1])
        assert (preview.id, preview.number, preview.status) == (None, None, "preview")
        assert (preview.name, preview.final) == ("preview", False)
        assert preview.lines == final.lines
        assert preview.tags == final.tags
        assert (preview.net, preview.tax, preview.total) == (final.net, final.tax, final.total)
        assert preview.terms == final.terms
        assert preview.period == final.period
        assert preview.as_of is not None
        assert final.as_of is None
        assert preview.payment_terms == "尚未正式出账：用量可能继续增加。"

    async def test_draft_has_status_draft_and_no_number(self, firm: Firm) -> None:
        await firm.story.until(2026, 11, 1, 0, 30)
        draft = (await firm.invoices())[1]
        document = await documented(firm, draft)
        assert (document.status, document.number, document.issued_on) == ("draft", None, None)
        assert document.name == ids.format_id("inv", draft.id)
        assert document.balance == InvoiceBalance()
        assert document.total == 349_80

    async def test_final_invoice_has_lines_parties_dates_and_totals(self, firm: Firm) -> None:
        await firm.story.until(2026, 11, 1, 1)
        document = await documented(firm, (await firm.invoices())[1], "en")
        assert (document.number, document.name, document.status) == (
            "MAAS-000002",
            "MAAS-000002",
            "open",
        )
        assert [told(line, document) for line in document.lines] == [
            ("llm: output tokens", "0.38"),
            ("vib: inference rows", "0.10"),
            ("vib: 12.5% discount", "-0.01"),
            ("Growth: top-up to the minimum commitment", "19.53"),
            ("Growth: fixed fee", "310.00"),
        ]
        assert [line.number for line in document.lines] == [1, 2, 3, 4, 5]
        assert document.lines[0].price_text == "CN¥2.00 per 1M tokens"
        assert (document.buyer.name, document.buyer.tax_number) == ("Acme Ltd.", "9131")
        assert document.seller.name == "MaaS"
        assert (document.issued_on, document.due_on) == (date(2026, 11, 1), date(2026, 12, 1))
        assert document.period.first_day, document.period.last_day == (
            date(2026, 10, 1),
            date(2026, 10, 31),
        )
        assert (document.net, document.tax, document.total) == (330_00, 19_80, 349_80)
        assert document.tax_note == "Tax rate: 6%."
        assert document.payment_terms == (
            "Please transfer 349.80 CNY by 2026-12-01 and quote MAAS-000002."
        )
        assert document.billing_rule.startswith("Billed: calls with a complete response")
        assert [(one.plan, one.number, one.share) for one in document.terms] == [
            ("growth", 1, Fraction(1))
        ]
        (tag,) = document.tags
        assert [(part.value, part.minor) for part in tag.parts] == [("A-1", 38), ("", 10)]

    async def test_invoice_is_serialised_with_lines_terms_and_tags(self, firm: Firm) -> None:
        await firm.story.until(2026, 11, 1, 1)
        document = (await documented(firm, (await firm.invoices())[1])).to_json()
        assert document["object"] == "invoice"
        assert document["currency_exponent"] == 2
        assert (document["net"], document["owed"]) == ("330.00", "349.80")
        first, *_, fee = document["lines"]
        assert (first["quantity"], first["included"]) == (500_000, 310_000)
        assert first["price"] == {"kind": "per_unit", "unit": "0.000002000"}
        assert (fee["base"], fee["share"]) == ("310.00", "1")
        assert (fee["service"]["first_day"], fee["service"]["last_day"]) == (
            "2026-11-01",
            "2026-11-30",
        )
        assert document["terms"][0]["version"] == first["plan_version"]
        assert document["tags"][0]["parts"][0] == {
            "kind": "value",
            "value": "A-1",
            "count": 1,
            "amount": "0.38",
            "lines": [{"line": 1, "quantity": 500_000, "amount": "0.38"}],
        }

    async def test_invoice_keeps_its_locale_unless_another_is_requested(self, firm: Firm) -> None:
        await firm.story.until(2026, 11, 1, 1)
        invoice = (await firm.invoices())[1]
        assert (await documented(firm, invoice)).lines[4].description == "成长版：固定费用"
        assert (await documented(firm, invoice, "en")).lines[4].plan_name == "Growth"
        await firm.billed(locale="en")
        assert (await documented(firm, invoice)).locale == "zh"
        assert (await previewed(firm)).locale == "en"

    async def test_invoice_of_another_account_raises_not_found(self, firm: Firm) -> None:
        await firm.story.until(2026, 11, 1, 1)
        other = await firm.story.firm("Other")
        with pytest.raises(InvoiceNotFound):
            await documented(other, (await firm.invoices())[1])


class TestFeeLines:
    async def test_mid_month_change_shows_prorated_fee_and_credit(self, story: Story) -> None:
        """On 21 October 310.00 become 620.00: 11 of 31 days are credited and charged."""
        firm = await story.firm(tax_ppm=60_000)
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 10, 21, 15)
        await firm.change(await story.plan(GROSS))
        document = await documented(firm, (await firm.invoices())[1])
        back, due = document.lines
        assert (back.line.minor, back.base, back.share) == (-110_00, 310_00, Fraction(-11, 31))
        assert (due.line.minor, due.base, due.share) == (220_00, 620_00, Fraction(11, 31))
        for line in (back, due):
            assert line.service is not None
            days = line.service.first_day, line.service.last_day
            assert days == (date(2026, 10, 21), date(2026, 10, 31))
        assert document.tags == ()
        assert document.period_id is None
        assert document.tax_note == "税率 6%。 各行金额含税。"

    async def test_yearly_fee_covers_twelve_months_in_full(self, story: Story) -> None:
        firm = await story.firm()
        yearly = GROWTH.replace("fixed_fee", 'interval = "year"\nfixed_fee')
        await firm.subscribe(await story.plan(yearly))
        (line,) = (await documented(firm, (await firm.invoices())[0])).lines
        assert (line.base, line.share) == (310_00, Fraction(1))
        assert line.service is not None
        assert line.service.last_day == date(2027, 9, 30)

    async def test_later_anchor_day_change_keeps_share(self, story: Story) -> None:
        firm = await story.firm()
        story.clock.set(2026, 10, 11)
        await firm.subscribe(await story.plan(GROWTH))
        await firm.cancel(at_end=False)
        before = (await documented(firm, (await firm.invoices())[0])).lines
        assert [(line.base, line.share) for line in before] == [(310_00, Fraction(21, 31))]
        await sql(story.database, "update billing_profile set anchor_day = 17, time_zone = 'UTC'")
        after = await documented(firm, (await firm.invoices())[0])
        assert after.lines == before
        assert after.time_zone == "Asia/Shanghai"

    async def test_inconsistent_period_omits_base_and_share(self, story: Story) -> None:
        """Base and share are omitted: the period's days differ from those of the proration."""
        firm = await story.firm()
        story.clock.set(2026, 10, 11)
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 10, 21)
        await firm.change(await story.plan(GROSS))
        await sql(story.database, "update billing_period set anchor_day = 17")
        fee, change = await firm.invoices()
        (due,) = (await documented(firm, fee)).lines
        assert (due.base, due.share) == (None, None)
        async with story.database.transaction() as session:
            await session.execute(text("set local session_replication_role = replica"))
            await session.execute(text("delete from invoice_line where minor = 21000"))
        back, _ = (await documented(firm, change)).lines
        assert (back.base, back.share) == (None, None)


class TestTaxNote:
    @pytest.mark.parametrize(
        ("treatment", "ppm", "note"),
        [
            ("standard", 0, "No tax is charged."),
            ("standard", 82_500, "Tax rate: 8.25%."),
            ("exempt", 60_000, "Exempt from tax."),
            (
                "reverse_charge",
                60_000,
                "Reverse charge: the recipient accounts for the tax.",
            ),
        ],
    )
    async def test_note_depends_on_tax_treatment_and_rate(
        self, story: Story, treatment: str, ppm: int, note: str
    ) -> None:
        firm = await story.firm()
        await firm.billed(tax_ppm=ppm, tax_treatment=treatment, locale="en")
        await firm.subscribe(await story.plan(GROWTH))
        assert (await documented(firm, (await firm.invoices())[0])).tax_note == note

    async def test_invoice_keeps_tax_terms_after_profile_change(self, story: Story) -> None:
        firm = await story.firm(tax_ppm=60_000)
        await firm.subscribe(await story.plan(GROWTH))
        await firm.billed(tax_ppm=0, tax_treatment="exempt")
        document = await documented(firm, (await firm.invoices())[0])
        assert (document.tax_treatment, document.tax_ppm) == ("standard", 60_000)


class TestInvoiceBalance:
    @pytest.fixture
    async def firm(self, story: Story) -> Firm:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        return firm

    async def test_part_payment_and_credit_reduce_amount_owed(self, firm: Firm) -> None:
        """100.00 of 310.00 are paid and 30.00 credited: 180.00 are owed."""
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "100.00")
        await firm.is_credited(invoice, "30.00")
        document = await documented(firm, invoice, "en")
        assert document.balance == InvoiceBalance(100_00, 30_00, 0, 180_00)
        (note,) = document.notes
        assert (note.number, note.total, note.to_wallet) == ("MAAS-CN-000001", 30_00, 0)
        assert document.to_json()["credit_notes"][0]["total"] == "30.00"
        assert "180.00 CNY" in document.payment_terms

    async def test_credit_of_paid_invoice_goes_to_wallet(self, firm: Firm) -> None:
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "310.00")
        await firm.is_credited(invoice, "30.00")
        document = await documented(firm, invoice, "en")
        assert document.balance == InvoiceBalance(310_00, 0, 0, 0)
        assert document.notes[0].to_wallet == 30_00
        assert document.payment_terms == "No payment is due."

    async def test_void_invoice_has_zero_balance(self, firm: Firm) -> None:
        (invoice,) = await firm.invoices()
        await firm.story.voids(invoice)
        document = await documented(firm, invoice)
        assert (document.status, document.balance) == ("void", InvoiceBalance())

    async def test_uncollectible_invoice_shows_written_off_amount(self, firm: Firm) -> None:
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "10.00")
        await firm.story.gives_up(invoice)
        document = await documented(firm, invoice)
        assert document.balance == InvoiceBalance(10_00, 0, 300_00, 0)

    @pytest.mark.parametrize(
        ("collection", "words"),
        [
            ("stripe_charge", "310.00 CNY will be charged to your payment method on file."),
            (
                "stripe_invoice",
                "Please pay 310.00 CNY by {due} with the payment link sent to you.",
            ),
        ],
    )
    async def test_payment_terms_depend_on_collection_method(
        self, firm: Firm, collection: str, words: str
    ) -> None:
        other = await firm.story.firm("Other")
        await other.billed(collection=collection)
        await other.subscribe(await firm.story.plan(GROWTH))
        (invoice,) = await other.invoices()
        document = await documented(other, invoice, "en")
        assert document.payment_terms == words.format(due=document.due_on)


class TestInvoicePreview:
    async def test_preview_excludes_fee_that_is_invoiced_at_trial_end(self, story: Story) -> None:
        """The trial ends on 15 October. The fee for the rest of October is invoiced then; October's
        invoice contains the fee of November."""
        firm = await story.firm()
        trial = GROWTH.replace("fixed_fee", "trial_days = 14\nfixed_fee")
        await firm.subscribe(await story.plan(trial))
        await story.counts()
        before = await previewed(firm)
        await story.until(2026, 10, 15, 1)
        await story.until(2026, 11, 1, 1)
        rest, october = [await documented(firm, one) for one in await firm.invoices()]
        assert [one.line.minor for one in rest.lines] == [170_00]
        assert before.lines == october.lines
        assert [one.line.minor for one in before.lines] == [20_00, 310_00]

    async def test_new_account_has_empty_preview_of_current_period(self, story: Story) -> None:
        firm = await story.firm()
        document = await previewed(firm)
        assert (document.lines, document.total) == ((), 0)
        assert document.period.first_day == date(2026, 10, 1)
        assert (await previewed(firm)).period == document.period

    async def test_calls_without_plan_are_rated_at_list_price(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1_234)
        await story.counts()
        document = await previewed(firm)
        assert [told(line, document) for line in document.lines] == [
            ("vib：推理行数（行）", "1.23")
        ]
        assert document.lines[0].plan == "list"

    async def test_calls_without_terms_are_rated_at_newest_list_price(self, story: Story) -> None:
        """Calls without a plan version are rated at the newest list prices."""
        firm = await story.firm()
        await sql(story.database, "alter table usage disable trigger all")
        await firm.use("vib", rows=1_000, tags={"order": "A-1"})
        await sql(story.database, "update usage set plan_version_id = null")
        await sql(story.database, "alter table usage enable trigger all")
        async with story.database.transaction() as session:
            dearer = {"vib": {"rows": 2_000_000}}
            newest = await publish_plan(
                session, story.clock, list_price_terms("CNY", {**LISTED, **dearer})
            )
        await story.counts()
        document = await previewed(firm)
        assert document.list_version == newest.id
        assert [line.line.minor for line in document.lines] == [2_00]
        assert [(part.value, part.minor) for part in document.tags[0].parts] == [("A-1", 2_00)]


async def test_preview_stores_no_invoice(story: Story) -> None:
    """A preview writes no rows: its invoice belongs to no session."""
    firm = await story.firm()
    await firm.use("vib", rows=1)
    await story.counts()
    await previewed(firm)
    async with story.database.transaction() as session:
        assert await _count(session) == 0


async def _count(session: AsyncSession) -> int:
    connection = await session.connection()
    return int((await connection.exec_driver_sql("select count(*) from invoice")).scalar_one())
