"""Steps of stories about fapiao: a paid invoice, requests, batches and result lists."""

import io
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from openpyxl import Workbook

from billing.fapiao.batch_file import BatchFileProvider
from billing.fapiao.issuing import ExportedBatch, ImportReport, apply_results, export_batch
from billing.fapiao.layout import load_layout
from billing.fapiao.provider import ProviderFile
from billing.fapiao.requests import request_fapiao
from billing.fapiao.title_fields import TitleFields
from billing.fapiao.titles import create_title
from billing.money import minor_text
from billing.tables import Fapiao, FapiaoTitle, Invoice
from infra.clock import Clock
from infra.database.database import Database
from tests.support.stories.story import Firm, Story

CODE = "91110000600037341L"
TITLE = TitleFields("宁波海曙精密机械厂", CODE, email="wu@plant.example")
Row = Sequence[object]
HEADER = ("发票流水号", "数电发票号码", "开票日期", "价税合计", "失败原因")


async def paid_invoice(story: Story, paid: str = "106.00") -> tuple[Firm, Invoice]:
    """100.00 of usage in October and 6.00 of tax, with a title and a payment, if any."""
    firm = await story.firm(tax_ppm=60_000)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    (invoice,) = await firm.invoices()
    await add_title(firm)
    if paid:
        await firm.pays(invoice, paid)
    return firm, invoice


async def add_title(firm: Firm, title: TitleFields = TITLE, **more: bool) -> FapiaoTitle:
    async with firm.story.database.transaction() as session:
        return await create_title(session, firm.story.clock, firm.account.id, title, **more)


async def request(firm: Firm, invoice: Invoice, by: str = "wu@plant.example") -> Fapiao:
    async with firm.story.database.transaction() as session:
        place = (firm.account.id, invoice.id)
        return await request_fapiao(session, firm.story.clock, *place, by)


async def export(story: Story, seller: str | None = None) -> ExportedBatch:
    async with story.database.transaction() as session:
        provider = BatchFileProvider(load_layout())
        return await export_batch(session, story.clock, provider, "Li Na", seller)


async def results(story: Story, rows: Sequence[Row], header: Row = HEADER) -> ImportReport:
    """Import a result list with these rows."""
    file = ProviderFile("results.xlsx", workbook([header, *rows]))
    async with story.database.transaction() as session:
        provider = BatchFileProvider(load_layout(), result=file)
        return await apply_results(session, story.clock, provider)


def result(row: Fapiao, number: int) -> Row:
    """The line of an issued fapiao in a result list."""
    return (row.serial, str(10**19 + number), date(2026, 11, 3), minor_text(row.total, "CNY"))


async def issued(story: Story, firm: Firm, invoice: Invoice, number: int = 1) -> Fapiao:
    """Request, export and issue the rest of an invoice."""
    row = await request(firm, invoice)
    await export(story)
    (done,) = (await results(story, [result(row, number)])).issued
    return done


async def export_and_issue(
    database: Database, clock: Clock, account_id: UUID, invoice_id: UUID
) -> Fapiao:
    """Request, export and issue the rest of a paid invoice."""
    async with database.transaction() as session:
        row = await request_fapiao(session, clock, account_id, invoice_id, "wu@plant.example")
        await export_batch(session, clock, BatchFileProvider(load_layout()), "Li Na")
        file = ProviderFile("results.xlsx", workbook([HEADER, result(row, 1)]))
        await apply_results(session, clock, BatchFileProvider(load_layout(), result=file))
    return row


def workbook(rows: Sequence[Row], title: str = "Sheet") -> bytes:
    book = Workbook()
    sheet = book[book.sheetnames[0]]
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
