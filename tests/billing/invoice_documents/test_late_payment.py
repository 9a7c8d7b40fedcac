"""Instalments and late fees on invoice documents."""

from billing.invoice_documents.builder import build_invoice_document
from billing.invoice_documents.document import InvoiceDocument
from billing.tables import Invoice
from tests.support.billing.credit import bill_rows
from tests.support.stories.story import Firm, Story

PLAN = """
plan = "later"
names = { en = "Pay later", zh = "先用后付" }
currency = "CNY"

[[price]]
model = "vib"
meter = "rows"
price = "0.001"

[payment.late_fee]
fixed = "5.00"

[payment.instalments]
parts = 3
days_between = 10
"""


async def document(firm: Firm, invoice: Invoice, locale: str) -> InvoiceDocument:
    async with firm.story.database.transaction() as session:
        return await build_invoice_document(session, firm.account.id, invoice.id, locale)


async def test_document_lists_parts_and_names_the_invoice_of_a_late_fee(story: Story) -> None:
    """Of three parts of 33.34, 33.33 and 33.33 40.00 are paid: 26.67 and 33.33 are left."""
    firm = await story.firm(net_days=0)
    await firm.subscribe(await story.plan(PLAN))
    await bill_rows(firm, 100_000, 2026, 11, 1)
    first = (await firm.invoices())[0]
    await firm.pays(first, "40.00")
    shown = await document(firm, first, "en")
    assert [
        (part["due_on"], part["amount"], part["owed"]) for part in shown.to_json()["instalments"]
    ] == [
        ("2026-11-01", "33.34", "0.00"),
        ("2026-11-11", "33.33", "26.67"),
        ("2026-11-21", "33.33", "33.33"),
    ]
    assert shown.payment_terms == (
        "Please transfer in parts and quote MAAS-000001: 26.67 CNY by 2026-11-11; "
        "33.33 CNY by 2026-11-21."
    )
    await story.until(2026, 12, 1, 1)
    (line,) = (await document(firm, (await firm.invoices())[1], "zh")).lines
    assert line.description == "账单 MAAS-000001 的滞纳金"
    assert line.line.minor == 5_00


async def test_document_of_a_paid_invoice_asks_for_nothing(story: Story) -> None:
    firm = await story.firm(net_days=0)
    await firm.subscribe(await story.plan(PLAN))
    await bill_rows(firm, 100_000, 2026, 11, 1)
    await firm.pays_all()
    shown = await document(firm, (await firm.invoices())[0], "en")
    assert shown.payment_terms == "No payment is due."
    assert {part.owed for part in shown.parts} == {0}
