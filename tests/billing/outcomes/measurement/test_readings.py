"""Cleaning of readings: which count, which are omitted and noted, and which are rejected."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.outcomes.measurement.errors import ReadingsInvalid
from billing.outcomes.measurement.plan import MeasurementPlan, MeterReplacement
from billing.outcomes.measurement.readings import MeterReading, Quantity, clean_readings
from tests.billing.outcomes.measurement.making import AGREED, SHANGHAI

NOON = datetime(2026, 1, 2, 12, tzinfo=SHANGHAI)
BOTH = ("plant", "us")


def reading(hours: int = 0, value: float = 7.0, unit: str = "kWh", **more: Any) -> MeterReading:
    parts = {"parts": Quantity(3.0, "pcs")}
    return MeterReading(
        NOON + timedelta(hours=hours), Quantity(value, unit), **{"variables": parts, **more}
    )


def values(readings: list[MeterReading], agreed: MeasurementPlan = AGREED) -> list[float]:
    return [point.value for point in clean_readings(readings, agreed).readings]


class TestReadingTimes:
    def test_time_is_stored_in_utc(self) -> None:
        assert reading().at == NOON
        assert reading().at.tzinfo is UTC

    def test_time_without_a_zone_is_rejected(self) -> None:
        with pytest.raises(ReadingsInvalid, match="has no time zone"):
            replace(reading(), at=NOON.replace(tzinfo=None))

    def test_readings_are_sorted_by_time(self) -> None:
        assert values([reading(2, 3.0), reading(0, 1.0), reading(1, 2.0)]) == [1.0, 2.0, 3.0]


class TestDuplicateReadings:
    def test_identical_reading_counts_once(self) -> None:
        cleaned = clean_readings([reading(), reading(), reading(1)], AGREED)
        assert (len(cleaned.readings), cleaned.duplicates) == (2, 1)

    def test_identical_reading_in_another_unit_counts_once(self) -> None:
        assert values([reading(), reading(value=7000.0, unit="Wh")]) == [7.0]

    @pytest.mark.parametrize(
        "other", [{"value": 8.0}, {"variables": {"parts": Quantity(4, "pcs")}}]
    )
    def test_different_reading_of_the_same_time_is_rejected(self, other: dict[str, Any]) -> None:
        with pytest.raises(ReadingsInvalid, match="two different readings for 2026-01-02T04:00:00"):
            clean_readings([reading(), reading(**other)], AGREED)


class TestReadingValues:
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_value_that_is_not_finite_is_rejected(self, value: float) -> None:
        with pytest.raises(ReadingsInvalid, match="not a finite number"):
            reading(value=value)

    def test_values_are_converted_and_unknown_variables_dropped(self) -> None:
        parts = {"parts": Quantity(0.5, "kpcs"), "not agreed": Quantity(1.0, "bananas")}
        cleaned = clean_readings([reading(value=2.0, unit="MWh", variables=parts)], AGREED)
        assert cleaned.readings[0].value == 2000.0
        assert cleaned.readings[0].variables == {"parts": 500.0}

    def test_readings_of_another_machine_are_ignored(self) -> None:
        assert values([reading(), reading(1, machine="press")]) == [7.0]


class TestMeterReplacements:
    SWAPPED = replace(AGREED, swaps=(MeterReplacement(NOON, "old", "new", BOTH, factor=2.0),))

    def test_two_meters_without_an_agreed_replacement_are_rejected(self) -> None:
        with pytest.raises(
            ReadingsInvalid, match="Meters new and old both have readings"
        ) as refused:
            clean_readings([reading(0, meter="old"), reading(1, meter="new")], AGREED)
        assert refused.value.param == "meter"

    def test_meter_other_than_the_baseline_meter_is_rejected(self) -> None:
        assert (
            clean_readings([reading(meter="old")], AGREED, baseline_meter="old").last_meter == "old"
        )
        assert clean_readings([], AGREED, baseline_meter="old").readings == ()
        for meter, was in (("new", "old"), ("", "old"), ("new", "")):
            with pytest.raises(ReadingsInvalid, match="both have readings"):
                clean_readings([reading(meter=meter)], AGREED, baseline_meter=was)

    def test_agreed_replacement_multiplies_values_by_its_factor(self) -> None:
        told = [reading(-1, meter="old"), reading(0, meter="new"), reading(5, meter="new")]
        assert values(told, self.SWAPPED) == [7.0, 14.0, 14.0]

    @pytest.mark.parametrize(("hours", "meter"), [(-1, "new"), (0, "old"), (1, "third")])
    def test_meter_outside_its_agreed_time_is_rejected(self, hours: int, meter: str) -> None:
        with pytest.raises(ReadingsInvalid, match=f"is from meter {meter}"):
            clean_readings([reading(hours, meter=meter)], self.SWAPPED)

    def test_successive_replacements_multiply_their_factors(self) -> None:
        later = MeterReplacement(NOON + timedelta(hours=2), "new", "third", BOTH, factor=5.0)
        agreed = replace(self.SWAPPED, swaps=(*self.SWAPPED.swaps, later))
        assert values([reading(3, 1.0, meter="third")], agreed) == [10.0]
