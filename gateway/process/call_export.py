"""CSV export of the calls of an invoice, for the API and the dashboard."""

from collections.abc import Sequence
from uuid import UUID

from litestar.response import Stream

from billing.dates import parse_time_zone
from billing.invoice_documents.billed_call_query import list_tag_names, select_invoice_calls
from billing.invoice_documents.builder import build_invoice_document
from billing.invoice_documents.call_export import stream_calls_csv
from billing.invoice_documents.rendering.calls_csv import CallCsvFormat
from infra.database.database import Database


async def create_calls_csv_response(
    database: Database,
    account_id: UUID,
    invoice_id: UUID,
    number: int | None,
    project_ids: Sequence[UUID] | None = None,
) -> Stream:
    """Stream the calls that an invoice bills as CSV, or those of the line with this number.

    Only those of `project_ids`, if given. Raises InvoiceNotFound, InvoiceLineNotFound.
    """
    async with database.transaction() as session:
        document = await build_invoice_document(session, account_id, invoice_id)
        selected = await select_invoice_calls(session, account_id, invoice_id, number, project_ids)
        names: tuple[str, ...] = ()
        if selected is not None and selected.period_id is not None:
            names = await list_tag_names(session, account_id, selected.period_id)
    zone = parse_time_zone(document.time_zone)
    sheet = CallCsvFormat(document.currency, zone, names, document.locale)
    name = document.name if number is None else f"{document.name}-line-{number}"
    headers = {"content-disposition": f'attachment; filename="{name}-calls.csv"'}
    content = stream_calls_csv(database, account_id, selected, sheet)
    return Stream(content, media_type="text/csv", headers=headers)
