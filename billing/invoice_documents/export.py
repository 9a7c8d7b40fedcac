"""Exporting: an invoice as a folder of files by which anybody can compute it again.

    invoice.json  lines.csv  calls.csv  invoice.pdf  terms/<version>.json
    outcomes/<settlement>.json

tests/support/rerate.py does so, with nothing of ours. Calls are written page by page, so memory
holds a page of them.
"""

import json
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import zone_of
from billing.invoice_documents.billed_call_query import counted_of, every_call, tag_names
from billing.invoice_documents.builder import document_of
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.rendering.calls_csv import CallSheet
from billing.invoice_documents.rendering.csv import lines_csv
from billing.invoice_documents.rendering.pdf import invoice_pdf
from billing.invoice_documents.sources import settlement_texts, versions_of


async def export_invoice(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, folder: Path
) -> Path:
    """Write the files into a folder of the invoice's own within `folder`; gives that.

    Files that are there already are written anew. Raises InvoiceNotFound.
    """
    document = await document_of(session, account_id, invoice_id)
    place = folder / document.name
    _write_document(place, document)
    for row in (await versions_of(session, (one.version_id for one in document.terms))).rows:
        _write(place / "terms" / f"{row.id.hex}.json", row.terms.encode())
    settled = {one.charge.settlement_id for one in document.lines if one.charge}
    texts = await settlement_texts(session, account_id, settled)
    for settlement_id, said in texts.items():
        _write(place / "outcomes" / f"{settlement_id.hex}.json", said.encode())
    await _write_calls(session, document, place / "calls.csv")
    return place


async def _write_calls(session: AsyncSession, document: InvoiceDocument, file: Path) -> None:
    account_id, period_id = document.account_id, document.period_id
    names = () if period_id is None else await tag_names(session, account_id, period_id)
    zone = zone_of(document.time_zone)
    sheet = CallSheet(document.currency, zone, names, document.locale)
    _write(file, sheet.header())
    if period_id is None:
        return
    counted = await counted_of(session, account_id, period_id, document.list_version)
    async for page in every_call(session, counted):
        _append(file, sheet.rows(page))


def _write_document(place: Path, document: InvoiceDocument) -> None:
    text = json.dumps(document.to_json(), ensure_ascii=False, indent=2)
    _write(place / "invoice.json", text.encode())
    _write(place / "lines.csv", lines_csv(document))
    _write(place / "invoice.pdf", invoice_pdf(document))


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _append(file: Path, content: bytes) -> None:
    with file.open("ab") as out:
        out.write(content)
