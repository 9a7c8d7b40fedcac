"""Meters: what is counted is counted everywhere, from the request's extent to the invoice's words.

A meter that is added to Quantities fails here wherever else it has no place yet.
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


def test_the_catalog_prices_what_is_counted() -> None:
    assert [meter.value for meter in Meter] == list(METERS)


@pytest.mark.parametrize("table", [Usage, UsageTotal, UsageTagTotal])
def test_a_column_each(table: Any) -> None:
    assert set(METERS) <= set(table.__table__.columns.keys())


@pytest.mark.parametrize("shown", [BilledCall, BundleCall, BundleUsage])
def test_a_field_each(shown: Any) -> None:
    assert set(METERS) <= {field.name for field in fields(shown)}


@pytest.mark.parametrize("meter", METERS)
def test_words_each(meter: str) -> None:
    assert translate("en", meter) != translate("zh", meter)


@pytest.mark.parametrize("meter", NON_TOKEN_METERS)
def test_what_is_no_matter_of_tokens_is_held_and_told(meter: str) -> None:
    assert (OutputBounds(**{meter: 3}).non_token_units + NO_USAGE) == Quantities(
        **{meter: 3}
    ) + NO_USAGE
    assert set(declare_metrics().units) == set(NON_TOKEN_METERS)
