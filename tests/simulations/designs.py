"""The same plants with other measurement designs: alternating weeks, and twelve settlements.

    weeks        one year of alternating weeks with and without, instead of a baseline year
    settlements  monthly measurement of the saving since the start, with `looks` of twelve or of one

Counts the outcomes; plants are in plants.py, single settlements by a baseline in effects.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from billing.outcomes.measurement.baseline import select_baseline
from billing.outcomes.measurement.holdout import switchback_savings, treatment_indicator
from billing.outcomes.measurement.plan import MeasurementMethod, SwitchbackSchedule
from billing.outcomes.measurement.saving import estimate_savings
from tests.simulations.effects import CONFIDENCE
from tests.simulations.known import known
from tests.simulations.plants import AGREED, YEAR, Cell, plant

WEEKS = SwitchbackSchedule(days=7, washout=1)
ALTERNATING = replace(AGREED, baseline=None, method=MeasurementMethod.SWITCHBACK, weeks=WEEKS)
MONTHS = 12


@dataclass(frozen=True)
class Weekly:
    """Of the plants of a cell: as in effects.Row, by alternating weeks.

    `known` is the share that is billed too much by someone who knows their noise, and `expected`
    ours once their luck is taken out (known.py).
    """

    billed: float
    too_much: float
    kept: float
    known: float = np.nan
    expected: float = np.nan


def weekly(cell: Cell, plants: int, mapped: Callable[..., object] = map, seed: int = 1) -> Weekly:
    """One cell by alternating weeks."""
    found = np.array(list(mapped(partial(_by_weeks, cell, seed=seed), range(plants))))
    billed, saving, bills, chances = found.T
    return Weekly(
        billed=float((billed > 0).mean()),
        too_much=float((billed > saving).mean()),
        kept=float(billed.sum() / saving.sum()) if cell.saving else np.nan,
        known=float(bills.mean()),
        expected=float(chances.mean()),
    )


def settled(
    cell: Cell, plants: int, mapped: Callable[..., object] = map, seed: int = 1
) -> tuple[float, float]:
    """The share of plants that are billed an amount in any of twelve settlements.

    With the confidence per settlement, and with the confidence for all settlements together.
    """
    found = np.array(list(mapped(partial(_monthly, cell, seed=seed), range(plants))))
    alone, together = found.any(axis=1).mean(axis=0)
    return float(alone), float(together)


def _by_weeks(cell: Cell, number: int, seed: int) -> tuple[float, float, bool, float]:
    one = plant(replace(cell, saving=0.0), number, seed)
    days = one.after.days
    treated = treatment_indicator(days, AGREED.reporting.first, WEEKS)
    told = replace(one.after, values=one.after.values * (1 - cell.saving * treated))
    saving, _ = switchback_savings(told, ALTERNATING, WEEKS)
    counts = (days - AGREED.reporting.first.toordinal()) % WEEKS.days >= WEEKS.washout
    true = cell.saving * float(one.after.values @ (treated * counts))
    sides = (days[counts & (treated == side)] - int(one.table.days[0]) for side in (0, 1))
    best, bound = known(one, cell, *sides), saving.lower_bound(CONFIDENCE)
    return max(0.0, bound), true, best.bills, best.chance(bound - true)


def _monthly(cell: Cell, number: int, seed: int) -> list[tuple[bool, bool]]:
    one = plant(cell, number, seed)
    baseline, billed = select_baseline(one.before, AGREED), []
    for month in range(1, MONTHS + 1):
        until = np.arange(YEAR) < month * YEAR // MONTHS
        saving = estimate_savings(one.before, one.after.filter(until), baseline, AGREED)
        looks = 1 - (1 - CONFIDENCE) / MONTHS
        billed.append((saving.lower_bound(CONFIDENCE) > 0, saving.lower_bound(looks) > 0))
    return billed
