"""Simulated plants: two years of days with typical difficulties of measurement, from a seed.

    energy = idle + parts of A and of B + heating below 15 degrees + a season nobody explains
             + noise that lasts

Parts follow the week, the mix drifts from A to B from the baseline year to the reporting year, so
that the baseline is asked about a mix that it has hardly seen. Everything differs from plant to
plant.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.plan import (
    DailyAggregation,
    DateRange,
    GateLimits,
    IndependentVariable,
    MeasurementPlan,
    VariableForm,
)

Floats = NDArray[np.float64]
Days = NDArray[np.int64]

FIRST = date(2024, 1, 1)
YEAR = 365
TURN = date(2024, 12, 31)
AGREED = MeasurementPlan(
    unit="kWh",
    zone="Asia/Shanghai",
    baseline=DateRange(FIRST, TURN),
    reporting=DateRange(TURN, date(2025, 12, 31)),
    variables=(
        IndependentVariable("parts of A", "pcs"),
        IndependentVariable("parts of B", "pcs"),
        IndependentVariable("outside", "degC", DailyAggregation.MEAN, VariableForm.DEGREES),
    ),
    limits=GateLimits(most_cv=300_000),
)


@dataclass(frozen=True)
class Cell:
    """One cell of the table: noise as a share of the mean, and how it lasts.

    `lasting` below 1 is noise of which only that share lasts, with `rho`; the rest is of the day.
    """

    cv: float
    rho: float
    lasting: float = 1.0
    saving: float = 0.0


@dataclass(frozen=True)
class Plant:
    """The measured days, and the same days without the effect."""

    table: DailyTable
    without: Floats
    explained_mean: float

    @property
    def before(self) -> DailyTable:
        return self.table.filter(np.arange(2 * YEAR) < YEAR)

    @property
    def after(self) -> DailyTable:
        return self.table.filter(np.arange(2 * YEAR) >= YEAR)

    @property
    def saved(self) -> float:
        """The true saving of the reporting year."""
        return float((self.without - self.table.values)[YEAR:].sum())


def plant(cell: Cell, number: int, seed: int = 1) -> Plant:
    """The plant with this number, the same with and without a saving."""
    random = np.random.default_rng([seed, number, round(1000 * cell.cv), round(1000 * cell.rho)])
    days = np.arange(2 * YEAR)
    variables = _variables(random, days)
    explained = _explained(random, days, variables)
    lasting = ar1(random, len(days), cell.rho)
    of_the_day = random.standard_normal(len(days))
    noise = np.sqrt(cell.lasting) * lasting + np.sqrt(1 - cell.lasting) * of_the_day
    without = explained + cell.cv * explained.mean() * noise
    values = np.where(days < YEAR, without, (1 - cell.saving) * without)
    table = DailyTable(days + FIRST.toordinal(), values, variables)
    return Plant(table, without, float(explained.mean()))


def ar1(random: np.random.Generator, count: int, rho: float) -> Floats:
    """AR(1) noise of variance 1."""
    noise = random.standard_normal(count)
    for at in range(1, count):
        noise[at] = rho * noise[at - 1] + np.sqrt(1 - rho**2) * noise[at]
    return noise


def _variables(random: np.random.Generator, days: NDArray[np.int64]) -> dict[str, Floats]:
    count = len(days)
    week = np.where(days % 7 < 5, 1.0, random.uniform(0.3, 0.8))
    parts = 1000 * week * (1 + 0.1 * random.standard_normal(count))
    drift = random.uniform(0.0, 0.15) / (1 + np.exp((YEAR - days) / random.uniform(60, 150)))
    share = np.clip(0.3 + drift + 0.06 * random.standard_normal(count), 0.02, 0.98)
    season = -12 * np.cos(2 * np.pi * (days - random.uniform(5, 30)) / 365.25)
    outside = 12 + season + 3 * ar1(random, count, 0.8)
    return {"parts of A": parts * (1 - share), "parts of B": parts * share, "outside": outside}


def _explained(
    random: np.random.Generator, days: NDArray[np.int64], variables: dict[str, Floats]
) -> Floats:
    cold = np.maximum(0.0, 15 - variables["outside"])
    angle = 2 * np.pi * (days - random.uniform(0, 365)) / 365.25
    return (
        random.uniform(1000, 3000)
        + random.uniform(1.5, 2.5) * variables["parts of A"]
        + random.uniform(2.5, 4.0) * variables["parts of B"]
        + random.uniform(10, 40) * cold
        + random.uniform(0, 200) * np.cos(angle)
    )
