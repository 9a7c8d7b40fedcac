"""Export of an invoice as a folder of files from which its amounts can be recomputed.

    invoice.json  lines.csv  focus.csv  calls.csv  invoice.pdf  terms/<version>.json
    outcomes/<settlement>.json

tests/support/rerate.py recomputes an invoice without using this code base. Calls are written page
by page, so memory holds one page.
"""

import json
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import parse_time_zone
from billing.invoice_documents.billed_call_query import (
    iterate_call_pages,
    list_tag_names,
    load_period_calls,
)
from billing.invoice_documents.builder import build_invoice_document
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.rendering.calls_csv import CallCsvFormat
from billing.invoice_documents.rendering.csv import render_lines_csv
from billing.invoice_documents.rendering.focus_csv import render_focus_csv
from billing.invoice_documents.rendering.pdf import render_invoice_pdf
from billing.invoice_documents.sources import load_evidence_bundles, load_plan_versions


async def export_invoice(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, folder: Path
) -> Path:
    """Write the files into a subfolder of `folder` named after the invoice; return its path.

    Existing files are overwritten. Raises InvoiceNotFound.
    """
    document = await build_invoice_document(session, account_id, invoice_id)
    target = folder / document.name
    _write_document(target, document)
    for row in (await load_plan_versions(session, (one.version_id for one in document.terms))).rows:
        _write(target / "terms" / f"{row.id.hex}.json", row.terms.encode())
    settlement_ids = {line.charge.settlement_id for line in document.lines if line.charge}
    bundles = await load_evidence_bundles(session, account_id, settlement_ids)
    for settlement_id, bundle in bundles.items():
        _write(target / "outcomes" / f"{settlement_id.hex}.json", bundle.encode())
    await _write_calls(session, document, target / "calls.csv")
    return target


async def _write_calls(session: AsyncSession, document: InvoiceDocument, file: Path) -> None:
    """Write the CSV file of the calls in the invoice's period; only its header without one."""
    account_id, period_id = document.account_id, document.period_id
    names = () if period_id is None else await list_tag_names(session, account_id, period_id)
    zone = parse_time_zone(document.time_zone)
    csv_format = CallCsvFormat(document.currency, zone, names, document.locale)
    _write(file, csv_format.header())
    if period_id is None:
        return
    period_calls = await load_period_calls(session, account_id, period_id, document.list_version)
    async for page in iterate_call_pages(session, period_calls):
        _append(file, csv_format.rows(page))


def _write_document(target: Path, document: InvoiceDocument) -> None:
    """Write the document as JSON and PDF, and its lines as CSV and FOCUS, into `target`."""
    text = json.dumps(document.to_json(), ensure_ascii=False, indent=2)
    _write(target / "invoice.json", text.encode())
    _write(target / "lines.csv", render_lines_csv(document))
    _write(target / "focus.csv", render_focus_csv(document))
    _write(target / "invoice.pdf", render_invoice_pdf(document))


def _write(file: Path, content: bytes) -> None:
    """Write a file and create its missing parent folders; an existing file is overwritten."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _append(file: Path, content: bytes) -> None:
    """Append bytes to a file."""
    with file.open("ab") as out:
        out.write(content)
