"""Usage forecast from the usage of past days."""

import random
from datetime import date, timedelta
from fractions import Fraction

from billing.reports.usage_model import MIN_DAYS, forecast_usage

MONDAY = date(2026, 10, 5)
WHOLE = Fraction(1)


def days(*had: int) -> dict[date, int]:
    """Daily usage, starting on a Monday."""
    return {MONDAY + timedelta(days=at): one for at, one in enumerate(had)}


def ahead(past: dict[date, int], count: int) -> list[tuple[date, Fraction]]:
    first = max(past) + timedelta(days=1)
    return [(first + timedelta(days=at), WHOLE) for at in range(count)]


class TestUsageForecast:
    def test_fewer_days_than_the_minimum_give_no_forecast(self) -> None:
        past = days(*[5] * (MIN_DAYS - 1))
        assert forecast_usage(past, ahead(past, 1)) is None

    def test_few_days_are_forecast_by_their_mean(self) -> None:
        past = days(10, 20, 30)
        found = forecast_usage(past, ahead(past, 2))
        assert found is not None
        assert found.middle == 40
        assert found.low < 40 < found.high

    def test_half_a_day_has_half_the_daily_usage(self) -> None:
        past = days(10, 10, 10)
        found = forecast_usage(past, [(MONDAY, Fraction(1, 2))])
        assert found is not None
        assert (found.low, found.middle, found.high) == (5, 5, 5)

    def test_weekdays_are_distinguished_after_two_weeks(self) -> None:
        past = days(*[100, 100, 100, 100, 100, 0, 0] * 2)
        found = forecast_usage(past, ahead(past, 7))
        assert found is not None
        assert (found.low, found.middle, found.high) == (500, 500, 500)

    def test_empty_horizon_gives_zero(self) -> None:
        found = forecast_usage(days(1, 2, 30), [])
        assert found is not None
        assert (found.low, found.middle, found.high) == (0, 0, 0)

    def test_lower_bound_is_never_negative(self) -> None:
        found = forecast_usage(days(0, 0, 1000), [(MONDAY, WHOLE)])
        assert found is not None
        assert found.low == 0


class TestForecastRange:
    def test_range_contains_the_actual_total_in_about_80_percent(self) -> None:
        source = random.Random(11)
        held = 0
        for _ in range(400):
            had = [source.randint(0, 1000) for _ in range(28 + 12)]
            past = days(*had[:28])
            found = forecast_usage(past, ahead(past, 12))
            assert found is not None
            held += found.low <= sum(had[28:]) <= found.high
        assert 0.72 <= held / 400 <= 0.90
