"""Forecast of the remaining usage of a period from past daily usage, with an 80 % interval.

Each remaining day is forecast as the mean of its weekday once there are two weeks of history
(factories differ by weekday), before that as the overall mean. The interval follows from the
residual variance of past days. Integer arithmetic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import isqrt

MIN_DAYS = 3
_MIN_DAYS_FOR_WEEKDAYS = 14  # history needed for separate weekday means
_Z_SQUARED = Fraction(16_384, 10_000)  # 1.28 squared: the 80 % interval of a normal distribution


@dataclass(frozen=True, slots=True)
class UsageForecast:
    """Forecast total with its 80 % interval, in the unit of the daily values."""

    low: int
    middle: int
    high: int


def forecast_usage(
    daily_usage: Mapping[date, int], remaining_days: Sequence[tuple[date, Fraction]]
) -> UsageForecast | None:
    """Forecast the total of remaining days, each with its remaining share, from past whole days.

    Returns None with fewer than MIN_DAYS past days.
    """
    if len(daily_usage) < MIN_DAYS:
        return None
    weekday_means = _weekday_means(daily_usage)
    mean_total = sum(
        (weekday_means[day.weekday()] * share for day, share in remaining_days), Fraction(0)
    )
    days = sum((share for _, share in remaining_days), Fraction(0))
    # The factor accounts for the uncertainty of the means themselves.
    variance = _variance(daily_usage, weekday_means) * days * (1 + days / len(daily_usage))
    spread = isqrt(int(variance * _Z_SQUARED))
    return UsageForecast(
        max(0, int(mean_total) - spread), int(mean_total), int(mean_total) + spread
    )


def _weekday_means(daily_usage: Mapping[date, int]) -> list[Fraction]:
    """Return the mean of each weekday, Monday first."""
    mean = Fraction(sum(daily_usage.values()), len(daily_usage))
    if len(daily_usage) < _MIN_DAYS_FOR_WEEKDAYS:
        return [mean] * 7
    by_weekday: list[list[int]] = [[] for _ in range(7)]
    for day, usage in daily_usage.items():
        by_weekday[day.weekday()].append(usage)
    return [Fraction(sum(days), len(days)) if days else mean for days in by_weekday]


def _variance(daily_usage: Mapping[date, int], weekday_means: Sequence[Fraction]) -> Fraction:
    """Return the residual variance of a day; each estimated mean takes one degree of freedom."""
    means = (
        len({day.weekday() for day in daily_usage})
        if len(daily_usage) >= _MIN_DAYS_FOR_WEEKDAYS
        else 1
    )
    squared_residuals = sum(
        ((usage - weekday_means[day.weekday()]) ** 2 for day, usage in daily_usage.items()),
        Fraction(0),
    )
    return squared_residuals / (len(daily_usage) - means)
