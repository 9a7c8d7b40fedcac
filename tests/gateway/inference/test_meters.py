"""Every meter is present everywhere: in output bounds, tables, evidence bundles, metrics and
invoice texts.

A meter that is added to Quantities fails here wherever it is missing.
"""

from dataclasses import fields
from typing import Any

import pytest

from billing.invoice_documents.billed_call_query import BilledCall
from billing.invoice_documents.translations import translate
from billing.outcomes.settlement.bundle import BundleCall, BundleUsage
from billing.rating.quantities import METERS, NO_USAGE, NON_TOKEN_METERS, Quantities
from billing.tables import Usage, UsageTagTotal, UsageTotal
from gateway.call.values import OutputBounds
from infra.telemetry.metrics import declare_metrics
from models.catalog import Meter


def test_catalog_meters_equal_counted_meters() -> None:
    assert [meter.value for meter in Meter] == list(METERS)


@pytest.mark.parametrize("table", [Usage, UsageTotal, UsageTagTotal])
def test_usage_tables_have_a_column_per_meter(table: Any) -> None:
    assert set(METERS) <= set(table.__table__.columns.keys())


@pytest.mark.parametrize("shown", [BilledCall, BundleCall, BundleUsage])
def test_usage_records_have_a_field_per_meter(shown: Any) -> None:
    assert set(METERS) <= {field.name for field in fields(shown)}


@pytest.mark.parametrize("meter", METERS)
def test_each_meter_has_english_and_chinese_names(meter: str) -> None:
    assert translate("en", meter) != translate("zh", meter)


@pytest.mark.parametrize("meter", NON_TOKEN_METERS)
def test_non_token_meters_are_reserved_and_exported_as_metrics(meter: str) -> None:
    assert (OutputBounds(**{meter: 3}).non_token_units + NO_USAGE) == Quantities(
        **{meter: 3}
    ) + NO_USAGE
    assert set(declare_metrics().units) == set(NON_TOKEN_METERS)
