"""CSV of invoice lines, and the formatting shared by all CSV files.

UTF-8 with a byte order mark, which Excel needs to show Chinese. Cells that a spreadsheet would
interpret as a formula are prefixed with `'`; plain numbers are unchanged.
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
BYTE_ORDER_MARK = "\ufeff".encode()
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def render_lines_csv(document: InvoiceDocument) -> bytes:
    """Return the lines of an invoice as a CSV file with a header."""
    rows = [
        _line_row(document.currency, line.to_json(document.currency)) for line in document.lines
    ]
    return BYTE_ORDER_MARK + format_csv_rows([LINE_COLUMNS, *rows])


def format_csv_rows(rows: Iterable[Sequence[Any]]) -> bytes:
    """Format rows as CSV, with cells escaped against formulas."""
    out = io.StringIO()
    csv.writer(out).writerows([escape_formula(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def escape_formula(cell: Any) -> str:
    """Return the text of a cell, prefixed so that a spreadsheet does not run it as a formula."""
    text = "" if cell is None else str(cell)
    return (
        f"'{text}" if text.startswith(_FORMULA_PREFIXES) and not _NUMBER.fullmatch(text) else text
    )


def _line_row(currency: str, line: dict[str, Any]) -> Sequence[Any]:
    """Return the cells of a line (as JSON) in the order of LINE_COLUMNS."""
    values = {**line, "line": line["number"], "currency": currency}
    values |= {**(line["service"] or {}), **(line["outcome"] or {})}
    return [values.get(column) for column in LINE_COLUMNS]
