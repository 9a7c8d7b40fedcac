"""Streaming export of calls as CSV.

Each page of calls is read in its own transaction, so an export of any length needs the memory of
one page and holds no database session.
"""

from collections.abc import AsyncIterator
from uuid import UUID

from billing.invoice_documents.billed_call_query import CallSelection, list_selected_calls
from billing.invoice_documents.rendering.calls_csv import CallCsvFormat
from infra.database.database import Database

_PAGE_SIZE = 2_000


async def stream_calls_csv(
    database: Database,
    account_id: UUID,
    selection: CallSelection | None,
    csv_format: CallCsvFormat,
    page_size: int = _PAGE_SIZE,
) -> AsyncIterator[bytes]:
    """Stream the selected calls as CSV, earliest first; only the header if `selection` is None."""
    yield csv_format.header()
    after: UUID | None = None
    while selection is not None:
        async with database.transaction() as session:
            page = await list_selected_calls(session, account_id, selection, page_size, after)
        if not page:
            return
        yield csv_format.rows(page)
        after = page[-1].request_id
