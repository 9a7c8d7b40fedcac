"""Files of calls, written while they are read: each page of calls is a transaction of its own, so a
file of any length holds no database session and needs the memory of one page.
"""

from collections.abc import AsyncIterator
from uuid import UUID

from billing.invoice_documents.billed_call_query import Selected, selected_page
from billing.invoice_documents.rendering.calls_csv import CallSheet
from infra.database.database import Database

_PAGE = 2_000


async def calls_csv(
    database: Database,
    account_id: UUID,
    selected: Selected | None,
    sheet: CallSheet,
    size: int = _PAGE,
) -> AsyncIterator[bytes]:
    """The selected calls as CSV, the earliest first; only the header where none are selected."""
    yield sheet.header()
    after: UUID | None = None
    while selected is not None:
        async with database.transaction() as session:
            page = await selected_page(session, account_id, selected, size, after)
        if not page:
            return
        yield sheet.rows(page)
        after = page[-1].request_id
