"""A small plant for tests: energy by parts, a baseline of 120 days and 60 days after."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.evidence import MeasurementStudy
from billing.outcomes.measurement.plan import (
    DateRange,
    GateLimits,
    IndependentVariable,
    MeasurementPlan,
)
from billing.outcomes.measurement.readings import MeterReading, Quantity

SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST = date(2026, 1, 1)
BEFORE, AFTER = 120, 60
TURN = FIRST + timedelta(days=BEFORE)
AGREED = MeasurementPlan(
    unit="kWh",
    zone="Asia/Shanghai",
    baseline=DateRange(FIRST, TURN),
    reporting=DateRange(TURN, TURN + timedelta(days=AFTER)),
    variables=(IndependentVariable("parts", "pcs"),),
    limits=GateLimits(least_days=100),
)


def table(
    seed: int = 1, *, noise: float = 50.0, saving: float = 0.0, rho: float = 0.0
) -> DailyTable:
    """Energy is 500 and 2 for each of about 300 parts, and noise of that deviation."""
    random = np.random.default_rng(seed)
    parts = random.integers(200, 400, BEFORE + AFTER).astype(np.float64)
    lasting = random.standard_normal(BEFORE + AFTER)
    for at in range(1, len(lasting)):
        lasting[at] = rho * lasting[at - 1] + np.sqrt(1 - rho**2) * lasting[at]
    without = 500 + 2 * parts + noise * lasting
    days = np.arange(BEFORE + AFTER) + FIRST.toordinal()
    values = np.where(days < TURN.toordinal(), without, (1 - saving) * without)
    return DailyTable(days, values, {"parts": parts})


def halves(whole: DailyTable) -> tuple[DailyTable, DailyTable]:
    """The days of the baseline period and the days after it."""
    assert AGREED.baseline is not None
    return whole.within(AGREED.baseline), whole.within(AGREED.reporting)


def start_of(day: date, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def readings(of: DailyTable, machine: str = "") -> Iterator[MeterReading]:
    """One reading a day."""
    for at, day in enumerate(of.days):
        yield MeterReading(
            start_of(date.fromordinal(int(day))),
            Quantity(float(of.values[at]), "kWh"),
            {"parts": Quantity(float(of.variables["parts"][at]), "pcs")},
            machine=machine,
        )


def study(seed: int = 1, agreed: MeasurementPlan = AGREED, **plant: Any) -> MeasurementStudy:
    return MeasurementStudy(agreed, tuple(readings(table(seed, **plant))))


def changed(
    one: MeasurementStudy, at: int, change: Callable[[MeterReading], MeterReading | None]
) -> MeasurementStudy:
    """The same study with one reading changed, or removed if `change` returns None."""
    new = change(one.readings[at])
    told = (*one.readings[:at], *([new] if new else []), *one.readings[at + 1 :])
    return replace(one, readings=told)


def agreeing(one: MeasurementStudy, **terms: Any) -> MeasurementStudy:
    """The same study with other terms in its plan."""
    return replace(one, agreed=replace(one.agreed, **terms))
