"""Invoices and calls as CSV; cells are never run as formulas by a spreadsheet."""

import csv
import io
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from billing.invoice_documents.billed_call import BilledCall
from billing.invoice_documents.rendering.calls_csv import CallCsvFormat
from billing.invoice_documents.rendering.csv import (
    LINE_COLUMNS,
    escape_formula,
    render_lines_csv,
)
from billing.subscriptions.usage_totals import NO_TERMS_ID
from infra import ids
from tests.billing.invoice_documents.sample_invoice import FEE, INVOICE, START, USAGE, VERSION

CALL = BilledCall(
    request_id=ids.new_id(),
    started_at=START,
    model="llm",
    key_id=None,
    key_name=None,
    operation="chat",
    settlement="complete",
    status=200,
    error_code=None,
    input_tokens=3,
    cached_input_tokens=None,
    output_tokens=5,
    rows=None,
    images=12,
    adaptation_seconds=None,
    readings=None,
    version_id=VERSION,
    late=True,
    tags={"order": '=A-17,"x"'},
    cost_nano=1_234,
)


SHEET = CallCsvFormat("CNY", ZoneInfo("Asia/Shanghai"), ("order",))


def row(call: BilledCall, sheet: CallCsvFormat = SHEET) -> dict[str, str]:
    content = sheet.header() + sheet.rows([call])
    (found,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    return found


@pytest.mark.parametrize(
    ("language", "fix"),
    [("en", "`GET /v1/models` lists the models"), ("zh", "通过 `GET /v1/models` 查看可用模型")],
)
def test_suggested_fix_of_call_is_in_account_language(language: str, fix: str) -> None:
    refused = replace(CALL, status=404, error_code="model_not_found")
    sheet = replace(SHEET, language=language)
    assert row(refused, sheet)["suggested_fix"] == fix
    assert row(CALL, sheet)["suggested_fix"] == ""


class TestInvoiceCsv:
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
    def test_cells_that_could_be_formulas_are_escaped(self, cell: object, kept: str) -> None:
        assert escape_formula(cell) == kept

    def test_invoice_lines_have_all_columns_and_escaped_text(self) -> None:
        named = replace(USAGE, description="=cmd|x", line=replace(USAGE.line, minor=-607))
        content = render_lines_csv(replace(INVOICE, lines=(named, FEE)))
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

    def test_call_pages_share_one_header_and_columns(self) -> None:
        plain = replace(CALL, tags=None, late=False, version_id=NO_TERMS_ID)
        content = SHEET.header() + SHEET.rows([CALL]) + SHEET.rows([plain])
        first, second = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        assert tuple(first) == SHEET.columns
        assert (first["images"], first["adaptation_seconds"]) == ("12", "")
        assert (first["late"], first["cost"]) == ("yes", "0.000001234")
        assert (first["cached_input_tokens"], first["plan_version"]) == ("", VERSION.hex)
        assert (second["other_tags"], second["late"], second["plan_version"]) == ("", "no", "")

    def test_call_times_are_in_account_time_zone_with_offset(self) -> None:
        assert row(CALL)["started_at"] == "2026-10-01T00:00:00+08:00"
        berlin = replace(SHEET, zone=ZoneInfo("Europe/Berlin"))
        assert row(CALL, berlin)["started_at"] == "2026-09-30T18:00:00+02:00"

    def test_call_has_key_name_status_and_error_code(self) -> None:
        refused = replace(
            CALL, settlement="refused", status=402, error_code="spend_cap", key_name="=press"
        )
        said = row(refused)
        assert (said["key_name"], said["status"]) == ("'=press", "402")
        assert (said["error_code"], said["settlement"]) == ("spend_cap", "refused")

    def test_selected_tags_have_columns_and_other_tags_share_a_column(self) -> None:
        tagged = replace(CALL, tags={"order": "=A-17", "line": "三号线", "shift": '+"x"'})
        said = row(tagged, replace(SHEET, tags=("=x", "line", "order")))
        assert (said["tag:order"], said["tag:line"]) == ("'=A-17", "三号线")
        assert said["tag:=x"] == ""
        assert said["other_tags"] == '{"shift": "+\\"x\\""}'


def test_new_columns_come_last() -> None:
    """Programs that read columns by position find the others where they were."""
    assert SHEET.columns[-3:] == ("reasoning_tokens", "project_id", "project_name")
    assert row(replace(CALL, reasoning_tokens=4))["reasoning_tokens"] == "4"
    assert row(CALL)["reasoning_tokens"] == ""
