"""The pairs of a comparison of two plants as CSV."""

from billing.invoice_documents.rendering.csv import BYTE_ORDER_MARK, format_csv_rows
from gateway.plant.store.comparisons import CSV_COLUMNS, pair_cells, unpack_pairs


def csv_content(content: bytes) -> bytes:
    """Return stored pairs as CSV."""
    rows = [CSV_COLUMNS, *(pair_cells(pair) for pair in unpack_pairs(content))]
    return BYTE_ORDER_MARK + format_csv_rows(rows)
