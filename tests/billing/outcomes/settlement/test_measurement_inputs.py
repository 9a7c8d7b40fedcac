"""The inputs of a measurement: one text, which is read as it was written."""

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
def test_the_text_is_read_as_it_was_written(inputs: MeasurementInputs) -> None:
    assert parse_measurement_inputs(inputs.canonical_json()) == inputs


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "{}", '{"terms": 1}', MeasurementInputs.__name__, '{"readings": null}'],
)
def test_a_text_that_is_no_inputs_is_refused(text: str) -> None:
    with pytest.raises(BundleInvalid, match="inputs of the settlement's measurement are not valid"):
        parse_measurement_inputs(text)
