"""Invoices in the FOCUS format: costs add up to the invoice, each kind of line is classified."""

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.rendering.focus_csv import COLUMNS, focus_rows, render_focus_csv
from billing.invoice_documents.values import DocumentCreditNote, DocumentLine
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.statement import LineKind, StatementLine
from infra import ids
from tests.billing.invoice_documents.sample_invoice import FEE, INVOICE, USAGE, VERSION

NOTE = DocumentCreditNote(
    ids.new_id(), "MAAS-CN-000001", date(2026, 11, 3), "outage", 10_00, 60, 10_60, 0, 0
)


def rows(document: InvoiceDocument) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_focus_csv(document).decode())))


def of_kind(kind: LineKind) -> DocumentLine:
    return replace(FEE, line=StatementLine(kind, 1, VERSION))


def test_billed_costs_add_up_to_total_less_credit_notes() -> None:
    costs = [Decimal(row["BilledCost"]) for row in rows(replace(INVOICE, notes=(NOTE,)))]
    assert costs == [Decimal("0.38"), Decimal("110.00"), Decimal("6.62"), Decimal("-10.60")]
    assert sum(costs) == Decimal("117.00") - Decimal("10.60")


def test_tax_in_line_amounts_has_no_row_of_its_own() -> None:
    inclusive = replace(INVOICE, total=110_38, net=104_13, tax=6_25)
    assert {row["ChargeCategory"] for row in focus_rows(inclusive)} == {"Usage", "Purchase"}


def test_usage_covered_by_allowance_is_consumed_but_not_priced() -> None:
    priced = replace(USAGE, line=replace(USAGE.line, price=PerUnit(2_000)))
    row = rows(replace(INVOICE, lines=(priced,)))[0]
    assert (row["ConsumedQuantity"], row["PricingQuantity"]) == ("500000.0", "190000.0")
    assert row["ContractedUnitPrice"] == row["ListUnitPrice"] == "0.000002000"
    assert Decimal(row["BilledCost"]) == Decimal(row["ContractedUnitPrice"]) * 190_000
    assert (row["ResourceId"], row["SkuId"]) == ("llm", "llm:output_tokens")
    assert row["ServiceSubcategory"] == "Generative AI"


def test_usage_without_tokens_and_unit_price_is_machine_learning() -> None:
    line = replace(USAGE, line=replace(USAGE.line, model="vib@batch", meter="rows"))
    row = rows(replace(INVOICE, lines=(line,)))[0]
    assert row["ServiceSubcategory"] == "Machine Learning"
    assert (row["ResourceId"], row["SkuId"], row["ListUnitPrice"]) == ("vib", "vib@batch:rows", "")


def test_purchased_units_are_priced_but_not_consumed() -> None:
    pack = replace(USAGE, line=replace(USAGE.line, kind=LineKind.PACK))
    row = rows(replace(INVOICE, lines=(pack,)))[0]
    assert (row["ChargeCategory"], row["ConsumedQuantity"]) == ("Purchase", "")
    assert row["PricingQuantity"] == "190000.0"


def test_periods_are_in_utc_and_a_note_has_its_day() -> None:
    (_usage, fee, _tax, note) = rows(replace(INVOICE, notes=(NOTE,)))
    assert fee["ChargePeriodStart"] == fee["BillingPeriodStart"] == "2026-09-30T16:00:00Z"
    assert note["ChargePeriodStart"] == "2026-11-02T16:00:00Z"
    assert note["ChargePeriodEnd"] == "2026-11-03T16:00:00Z"
    assert (note["ChargeCategory"], note["ChargeClass"]) == ("Credit", "Correction")
    assert datetime.fromisoformat(note["BillingPeriodEnd"]) == datetime(
        2026, 10, 31, 16, tzinfo=UTC
    )


@pytest.mark.parametrize("kind", LineKind)
def test_every_kind_of_line_has_category_and_frequency_of_focus(kind: LineKind) -> None:
    row = focus_rows(replace(INVOICE, lines=(of_kind(kind),)))[0]
    assert row["ChargeCategory"] in {"Usage", "Purchase", "Tax", "Credit", "Adjustment"}
    assert row["ChargeFrequency"] in {"One-Time", "Recurring", "Usage-Based"}


@pytest.mark.parametrize(("currency", "cost"), [("JPY", "11000.0"), ("KWD", "11.000")])
def test_cost_has_decimals_of_currency_and_always_a_decimal_point(currency: str, cost: str) -> None:
    row = rows(replace(INVOICE, currency=currency, lines=(FEE,)))[0]
    assert row["BilledCost"] == cost


def test_cell_that_could_be_a_formula_is_escaped() -> None:
    row = rows(replace(INVOICE, lines=(replace(USAGE, description="=1+1"),)))[0]
    assert row["ChargeDescription"] == "'=1+1"


def test_rows_have_only_columns_of_the_header() -> None:
    assert all(set(row) <= set(COLUMNS) for row in focus_rows(replace(INVOICE, notes=(NOTE,))))
