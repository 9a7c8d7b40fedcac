"""The calls of an invoice as a file, for the API and the dashboard."""

from uuid import UUID

from litestar.response import Stream

from billing.dates import zone_of
from billing.invoice_documents.billed_call_query import selected_of_invoice, tag_names
from billing.invoice_documents.builder import document_of
from billing.invoice_documents.call_export import calls_csv
from billing.invoice_documents.rendering.calls_csv import CallSheet
from infra.database.database import Database


async def calls_file(
    database: Database, account_id: UUID, invoice_id: UUID, number: int | None
) -> Stream:
    """The calls that an invoice bills, or that its line of this number does. Raises
    InvoiceNotFound, LineNotFound."""
    async with database.transaction() as session:
        document = await document_of(session, account_id, invoice_id)
        selected = await selected_of_invoice(session, account_id, invoice_id, number)
        names: tuple[str, ...] = ()
        if selected is not None and selected.period_id is not None:
            names = await tag_names(session, account_id, selected.period_id)
    zone = zone_of(document.time_zone)
    sheet = CallSheet(document.currency, zone, names, document.locale)
    name = document.name if number is None else f"{document.name}-line-{number}"
    headers = {"content-disposition": f'attachment; filename="{name}-calls.csv"'}
    content = calls_csv(database, account_id, selected, sheet)
    return Stream(content, media_type="text/csv", headers=headers)
