"""Forecast: how much more usage a period will have, from the days before, with its range.

Days of the week differ in a plant, so each remaining day is expected to be as the same days of the
week were, once there are two weeks of them. How far past days were from what was expected says how
far the sum may be: eight times in ten it lies within the range, if days go on as they went. Pure,
in integers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import isqrt

LEAST_DAYS = 3
_WEEKS_FROM = 14  # days from which on days of the week are told apart
_RANGE = Fraction(16_384, 10_000)  # the square of 1.28: eight of ten, of a normal spread


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to come in all, in the unit of the days that it was made from."""

    low: int
    middle: int
    high: int


def expect(past: Mapping[date, int], ahead: Sequence[tuple[date, Fraction]]) -> Expected | None:
    """The sum of days that lie ahead, each with how much of it is left, from whole past days.

    None where there are fewer than LEAST_DAYS of those: nothing can be said yet.
    """
    if len(past) < LEAST_DAYS:
        return None
    usual = _usual(past)
    middle = sum((usual[day.weekday()] * left for day, left in ahead), Fraction(0))
    days = sum((left for _, left in ahead), Fraction(0))
    # That the usual day is itself known from so many days only makes the sum less sure too.
    variance = _variance(past, usual) * days * (1 + days / len(past))
    spread = isqrt(int(variance * _RANGE))
    return Expected(max(0, int(middle) - spread), int(middle), int(middle) + spread)


def _usual(past: Mapping[date, int]) -> list[Fraction]:
    """What a day of each weekday, Monday first, is expected to have."""
    mean = Fraction(sum(past.values()), len(past))
    if len(past) < _WEEKS_FROM:
        return [mean] * 7
    by_weekday: list[list[int]] = [[] for _ in range(7)]
    for day, had in past.items():
        by_weekday[day.weekday()].append(had)
    return [Fraction(sum(days), len(days)) if days else mean for days in by_weekday]


def _variance(past: Mapping[date, int], usual: Sequence[Fraction]) -> Fraction:
    """Of one day about what was expected of it; each mean that was taken leaves one day fewer."""
    means = len({day.weekday() for day in past}) if len(past) >= _WEEKS_FROM else 1
    off = sum(((had - usual[day.weekday()]) ** 2 for day, had in past.items()), Fraction(0))
    return off / (len(past) - means)
