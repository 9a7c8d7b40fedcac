"""Invoices as CSV: their lines; and what all files of CSV share.

UTF-8 with a byte order mark, by which Excel shows Chinese. What a spreadsheet would take for a
formula is made a text with `'` before it; plain numbers stay as they are. Pure.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from billing.invoice_documents.document import InvoiceDocument

LINE_COLUMNS = (
    "line",
    "kind",
    "description",
    "plan",
    "plan_version",
    "model",
    "service_tier",
    "meter",
    "quantity",
    "included",
    "price_text",
    "percent",
    "amount",
    "currency",
    "first_day",
    "last_day",
    "attested_by",
    "settlement",
    "digest",
)
BEGINNING = "\ufeff".encode()  # of every file
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def lines_csv(document: InvoiceDocument) -> bytes:
    """The lines of an invoice, with a header."""
    rows = [_line(document.currency, line.to_json(document.currency)) for line in document.lines]
    return BEGINNING + csv_rows([LINE_COLUMNS, *rows])


def csv_rows(rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows of any file, with that protection."""
    out = io.StringIO()
    csv.writer(out).writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def safe(cell: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _line(currency: str, line: dict[str, Any]) -> Sequence[Any]:
    values = {**line, "line": line["number"], "currency": currency}
    values |= {**(line["service"] or {}), **(line["outcome"] or {})}
    return [values.get(column) for column in LINE_COLUMNS]
