"""Days of the plant: complete days, missing days, and days with a clock change."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from billing.outcomes.measurement.days import DailyTable, OmittedDays, aggregate_by_day
from billing.outcomes.measurement.errors import ReadingsInvalid
from billing.outcomes.measurement.plan import (
    DailyAggregation,
    DateRange,
    IndependentVariable,
    MeasurementPlan,
    MeterReplacement,
)
from billing.outcomes.measurement.readings import CleanedReadings, NormalizedReading
from tests.billing.outcomes.measurement.making import AGREED, SHANGHAI, start_of

BERLIN = ZoneInfo("Europe/Berlin")
DAY = date(2026, 3, 4)
HOURLY = replace(
    AGREED,
    zone="Europe/Berlin",
    every=3600,
    variables=(
        IndependentVariable("parts", "pcs"),
        IndependentVariable("outside", "degC", DailyAggregation.MEAN),
    ),
)


def hours(day: date, count: int) -> list[NormalizedReading]:
    """Per hour from midnight in Berlin: one kWh, two parts, and as many degrees as the hour's
    number."""
    start = start_of(day, BERLIN).astimezone(UTC)
    return [
        NormalizedReading(start + timedelta(hours=at), 1.0, {"parts": 2.0, "outside": float(at)})
        for at in range(count)
    ]


def days_of(
    points: list[NormalizedReading], agreed: MeasurementPlan = HOURLY
) -> tuple[DailyTable, OmittedDays]:
    return aggregate_by_day(CleanedReadings(tuple(points), 0), agreed)


class TestCompleteDays:
    @pytest.mark.parametrize(
        ("day", "count"),
        [(DAY, 24), (date(2026, 3, 29), 23), (date(2026, 10, 25), 25)],  # the clocks change
    )
    def test_complete_day_aggregates_all_its_hours(self, day: date, count: int) -> None:
        table, left = days_of(hours(day, count))
        assert table.days.tolist() == [day.toordinal()]
        assert table.values.tolist() == [count]
        assert table.variables["parts"].tolist() == [2 * count]
        assert table.variables["outside"].tolist() == [(count - 1) / 2]
        assert left == OmittedDays((), (), ())

    def test_quantity_can_be_averaged_per_day(self) -> None:
        table, _ = days_of(hours(DAY, 24), replace(HOURLY, combine=DailyAggregation.MEAN))
        assert table.values.tolist() == [1.0]

    def test_day_ends_at_midnight_in_the_plant_time_zone(self) -> None:
        # 00:30 in Shanghai is still the day before in UTC.
        at = datetime(2026, 3, 4, 0, 30, tzinfo=SHANGHAI)
        table, _ = days_of([NormalizedReading(at, 1.0, {"parts": 1.0})], AGREED)
        assert table.days.tolist() == [DAY.toordinal()]

    def test_daily_readings_are_complete_across_a_clock_change(self) -> None:
        agreed = replace(AGREED, zone="Europe/Berlin")
        points = [
            NormalizedReading(start_of(date(2026, 3, day), BERLIN), 1.0, {"parts": 1.0})
            for day in (28, 29, 30)
        ]
        assert len(days_of(points, agreed)[0].days) == 3


class TestMissingDays:
    @pytest.mark.parametrize(("day", "count"), [(DAY, 23), (date(2026, 10, 25), 24)])
    def test_day_with_a_missing_hour_is_incomplete(self, day: date, count: int) -> None:
        table, left = days_of([*hours(day, count), *hours(date(2026, 5, 1), 24)])
        assert table.days.tolist() == [date(2026, 5, 1).toordinal()]
        assert left.incomplete == (day,)

    def test_day_without_a_variable_is_omitted(self) -> None:
        points = hours(DAY, 24)
        points[7] = replace(points[7], variables={"parts": 2.0})
        table, left = days_of(points)
        assert not len(table.days)
        assert left == OmittedDays((), (DAY,), ())

    def test_day_without_an_hour_and_a_variable_is_reported_once(self) -> None:
        points = hours(DAY, 23)
        points[7] = replace(points[7], variables={})
        assert days_of(points)[1] == OmittedDays((DAY,), (), ())

    @pytest.mark.parametrize(("hour", "left"), [(0, ()), (9, (DAY,))])
    def test_day_of_a_meter_replacement_is_omitted_unless_at_midnight(
        self, hour: int, left: tuple[date]
    ) -> None:
        at = start_of(DAY, BERLIN) + timedelta(hours=hour)
        swap = MeterReplacement(at, "a", "b", ("plant", "us"))
        assert days_of(hours(DAY, 24), replace(HOURLY, swaps=(swap,)))[1].meter_replaced == left

    def test_two_readings_of_an_interval_are_rejected(self) -> None:
        points = hours(DAY, 24)
        points.append(replace(points[3], at=points[3].at + timedelta(minutes=10)))
        with pytest.raises(
            ReadingsInvalid, match="There are two readings for one interval of 2026-03-04"
        ):
            days_of(points)

    def test_two_readings_of_a_day_are_rejected_in_a_daily_plan(self) -> None:
        start = start_of(DAY)
        points = [
            NormalizedReading(start + timedelta(hours=at), 1.0, {"parts": 1.0}) for at in (0, 8)
        ]
        with pytest.raises(ReadingsInvalid, match="two readings for one interval"):
            days_of(points, AGREED)

    def test_table_without_readings_is_empty(self) -> None:
        table, left = days_of([])
        assert (len(table.days), len(table.variables["parts"]), left) == (
            0,
            0,
            OmittedDays((), (), ()),
        )


class TestDailyTable:
    def test_table_can_be_limited_to_a_period_and_weighted(self) -> None:
        days = [date(2026, 5, day) for day in (1, 2, 3)]
        table, _ = days_of([point for day in days for point in hours(day, 24)])
        assert table.within(DateRange(days[1], days[2])).days.tolist() == [days[1].toordinal()]
        assert table.weights(None).tolist() == [1.0, 1.0, 1.0]
        assert table.weights("parts").tolist() == [48.0, 48.0, 48.0]

    def test_filtered_tables_can_be_concatenated(self) -> None:
        days = [date(2026, 5, day) for day in (1, 2, 3)]
        table, _ = days_of([point for day in days for point in hours(day, 24)])
        first, second = (
            table.filter(table.days == table.days[0]),
            table.filter(table.days > table.days[0]),
        )
        both = first.concat(second)
        assert both.days.tolist() == table.days.tolist()
        assert both.values.tolist() == table.values.tolist()
        assert both.variables["outside"].tolist() == table.variables["outside"].tolist()
