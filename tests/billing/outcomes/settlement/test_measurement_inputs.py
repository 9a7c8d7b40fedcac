"""Measurement inputs: the canonical text parses back to the same inputs."""

from datetime import UTC, date, datetime

import pytest

from billing.outcomes.evidence.series import READINGS, ReadingsEvidence
from billing.outcomes.settlement.bundle import BundleInvalid
from billing.outcomes.settlement.measurement_inputs import (
    MeasurementInputs,
    parse_measurement_inputs,
)

AT = datetime(2026, 11, 2, tzinfo=UTC)
TOLD = ReadingsEvidence("evd_1", READINGS, "meter", "neutral_sensor", AT, "at,value\n")


@pytest.mark.parametrize(
    "inputs",
    [
        MeasurementInputs("{}", None, date(2026, 10, 1), date(2026, 11, 1), ()),
        MeasurementInputs("{}", "{}", date(2026, 10, 1), date(2026, 11, 1), (TOLD, TOLD)),
    ],
)
def test_canonical_json_parses_to_the_same_inputs(inputs: MeasurementInputs) -> None:
    assert parse_measurement_inputs(inputs.canonical_json()) == inputs


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "{}", '{"terms": 1}', MeasurementInputs.__name__, '{"readings": null}'],
)
def test_invalid_inputs_text_raises_bundle_invalid(text: str) -> None:
    with pytest.raises(BundleInvalid, match="inputs of the settlement's measurement are not valid"):
        parse_measurement_inputs(text)
