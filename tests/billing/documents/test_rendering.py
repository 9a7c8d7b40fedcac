"""Invoices as CSV that no spreadsheet runs."""

import csv
import io
from dataclasses import replace

import pytest

from billing.agreements.totals import NO_TERMS
from billing.documents.calls import BilledCall
from billing.documents.rendering.csv import (
    CALL_COLUMNS,
    LINE_COLUMNS,
    calls_header,
    calls_rows,
    lines_csv,
    safe,
)
from infra import ids
from tests.billing.documents.sample_invoice import FEE, INVOICE, START, USAGE, VERSION

CALL = BilledCall(
    request_id=ids.new_id(),
    started_at=START,
    model="llm",
    key_id=None,
    operation="chat",
    settlement="complete",
    input_tokens=3,
    cached_input_tokens=None,
    output_tokens=5,
    rows=None,
    images=12,
    adaptation_seconds=None,
    version_id=VERSION,
    late=True,
    tags={"order": '=A-17,"x"'},
    cost_nano=1_234,
)


class TestCsv:
    @pytest.mark.parametrize(
        ("cell", "kept"),
        [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("@x", "'@x"),
            ("-x", "'-x"),
            ("\tx", "'\tx"),
            ("-3.00", "-3.00"),
            ("-3", "-3"),
            ("-3.0.0", "'-3.0.0"),
            ("a=1", "a=1"),
            (None, ""),
            (0, "0"),
        ],
    )
    def test_nothing_is_a_formula(self, cell: object, kept: str) -> None:
        assert safe(cell) == kept

    def test_lines(self) -> None:
        named = replace(USAGE, description="=cmd|x", line=replace(USAGE.line, minor=-607))
        content = lines_csv(replace(INVOICE, lines=(named, FEE)))
        assert content.startswith(b"\xef\xbb\xbf")
        first, second = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        assert tuple(first) == LINE_COLUMNS
        assert (first["description"], first["amount"], first["quantity"]) == (
            "'=cmd|x",
            "-6.07",
            "500000",
        )
        assert (second["line"], second["description"]) == ("2", "成长版：固定费用")
        assert (second["first_day"], second["last_day"]) == ("2026-10-01", "2026-10-31")
        assert second["currency"] == "CNY"

    def test_calls_page_by_page(self) -> None:
        plain = replace(CALL, tags=None, late=False, version_id=NO_TERMS)
        content = calls_header() + calls_rows([CALL], "CNY") + calls_rows([plain], "CNY")
        first, second = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        assert tuple(first) == CALL_COLUMNS
        assert (first["images"], first["adaptation_seconds"]) == ("12", "")
        assert (first["late"], first["cost"]) == ("yes", "0.000001234")
        assert first["tags"] == '{"order": "=A-17,\\"x\\""}'
        assert (first["cached_input_tokens"], first["plan_version"]) == ("", VERSION.hex)
        assert (second["tags"], second["late"], second["plan_version"]) == ("", "no", "")
