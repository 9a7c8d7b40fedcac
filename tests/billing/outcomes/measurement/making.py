"""A small plant for tests: energy by parts, a baseline of 120 days and 60 days after."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from billing.outcomes.measurement.agreed import Agreed, Limits, Span, Variable
from billing.outcomes.measurement.days import Table
from billing.outcomes.measurement.evidence import Study
from billing.outcomes.measurement.readings import Amount, Reading

SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST = date(2026, 1, 1)
BEFORE, AFTER = 120, 60
TURN = FIRST + timedelta(days=BEFORE)
AGREED = Agreed(
    unit="kWh",
    zone="Asia/Shanghai",
    baseline=Span(FIRST, TURN),
    reporting=Span(TURN, TURN + timedelta(days=AFTER)),
    variables=(Variable("parts", "pcs"),),
    limits=Limits(least_days=100),
)


def table(seed: int = 1, *, noise: float = 50.0, saving: float = 0.0, rho: float = 0.0) -> Table:
    """Energy is 500 and 2 for each of about 300 parts, and noise of that deviation."""
    random = np.random.default_rng(seed)
    parts = random.integers(200, 400, BEFORE + AFTER).astype(np.float64)
    lasting = random.standard_normal(BEFORE + AFTER)
    for at in range(1, len(lasting)):
        lasting[at] = rho * lasting[at - 1] + np.sqrt(1 - rho**2) * lasting[at]
    without = 500 + 2 * parts + noise * lasting
    days = np.arange(BEFORE + AFTER) + FIRST.toordinal()
    values = np.where(days < TURN.toordinal(), without, (1 - saving) * without)
    return Table(days, values, {"parts": parts})


def halves(whole: Table) -> tuple[Table, Table]:
    """The days of the baseline and the days after."""
    assert AGREED.baseline is not None
    return whole.within(AGREED.baseline), whole.within(AGREED.reporting)


def start_of(day: date, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def readings(of: Table, machine: str = "") -> Iterator[Reading]:
    """One reading a day."""
    for at, day in enumerate(of.days):
        yield Reading(
            start_of(date.fromordinal(int(day))),
            Amount(float(of.values[at]), "kWh"),
            {"parts": Amount(float(of.variables["parts"][at]), "pcs")},
            machine=machine,
        )


def study(seed: int = 1, agreed: Agreed = AGREED, **plant: Any) -> Study:
    return Study(agreed, tuple(readings(table(seed, **plant))))


def changed(one: Study, at: int, change: Callable[[Reading], Reading | None]) -> Study:
    """The same with one reading changed, or left out where the change gives none."""
    new = change(one.readings[at])
    told = (*one.readings[:at], *([new] if new else []), *one.readings[at + 1 :])
    return replace(one, readings=told)


def agreeing(one: Study, **terms: Any) -> Study:
    """The same study, agreed otherwise."""
    return replace(one, agreed=replace(one.agreed, **terms))
