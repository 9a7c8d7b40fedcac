"""Simulated machines with and without the effect, with shared noise and noise of their own.

    energy of a machine = its size * (idle + parts of it + what all share + its own noise)

Half of the noise's variance is shared by all, as weather and shifts are, half is each machine's
own; both last. Machines of one hall are alike within 5 %, so what they share is almost, but not
all, out of their difference. A year before, half a year after.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import numpy as np

from billing.outcomes.measurement.baseline import select_baseline
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.holdout import compare_machine_groups, holdout_savings
from billing.outcomes.measurement.noise import ar1_innovations
from billing.outcomes.measurement.plan import (
    DateRange,
    IndependentVariable,
    MachineGroups,
    MeasurementMethod,
)
from tests.simulations.designs import Weekly
from tests.simulations.effects import CONFIDENCE
from tests.simulations.known import Known
from tests.simulations.plants import AGREED, FIRST, TURN, YEAR, Cell, Floats, ar1

AFTER = 182
_IDLE, _PER_PART, _PARTS = 300.0, 2.0, 200.0
_SIZE = _IDLE + _PER_PART * _PARTS
_ALIKE = 0.05


@dataclass(frozen=True)
class Hall:
    """The machines' days without effect, which machines may have it, and their sizes."""

    tables: dict[str, DailyTable]
    machines: MachineGroups
    sizes: Floats

    def saving(self, share: float) -> tuple[dict[str, DailyTable], float]:
        """The days with the effect on its machines from its start, and the true saving."""
        tables, saved = dict(self.tables), 0.0
        for name in self.machines.having:
            was = tables[name]
            less = share * was.values * (was.days >= TURN.toordinal())
            tables[name], saved = replace(was, values=was.values - less), saved + float(less.sum())
        return tables, saved


def billed(cell: Cell, count: int, halls: int, mapped: Callable[..., object], seed: int) -> Weekly:
    """One cell of a number of halls, each of `count` machines, half of them with the effect."""
    found = np.array(list(mapped(partial(_bill, cell, count, seed=seed), range(halls))))
    amounts, savings, bills, chances = found.T
    return Weekly(
        billed=float((amounts > 0).mean()),
        too_much=float((amounts > savings).mean()),
        kept=float(amounts.sum() / savings.sum()) if cell.saving else np.nan,
        known=float(bills.mean()),
        expected=float(chances.mean()),
    )


def hall(cell: Cell, count: int, number: int, seed: int) -> Hall:
    """The hall with this number, the same with and without a saving."""
    known = [seed, number, count, round(1000 * cell.cv), round(1000 * cell.rho)]
    random = np.random.default_rng(known)
    days = np.arange(YEAR + AFTER)
    week = np.where(days % 7 < 5, 1.0, random.uniform(0.3, 0.8))
    shared = ar1(random, len(days), cell.rho)
    names = tuple(f"machine {at}" for at in range(count))
    tables, sizes = {}, random.uniform(1 - _ALIKE, 1 + _ALIKE, count)
    for name, size in zip(names, sizes, strict=True):
        parts = _PARTS * week * (1 + 0.1 * random.standard_normal(len(days)))
        noise = np.sqrt(0.5) * (shared + ar1(random, len(days), cell.rho))
        values = size * (_IDLE + _PER_PART * parts + cell.cv * _SIZE * noise)
        tables[name] = DailyTable(days + FIRST.toordinal(), values, {"parts": parts})
    return Hall(tables, MachineGroups(names[: count // 2], names[count // 2 :]), sizes)


def known_of(made: Hall, cell: Cell) -> Known:
    """The estimate without effect, given the noise, the sizes and the use per part."""
    half = len(made.sizes) // 2
    shares = np.repeat([1.0, -1.0], half) / half * made.sizes
    tables = made.tables.values()
    days = next(iter(tables)).days
    parts = sum(share * of.variables["parts"] for share, of in zip(shares, tables, strict=True))
    values = sum(
        np.sign(share) / half * of.values for share, of in zip(shares, tables, strict=True)
    )
    after = (days >= TURN.toordinal()).astype(np.float64)
    told = ar1_innovations(
        np.column_stack([np.ones(len(days)), parts, after, values]), days, cell.rho
    )
    inverse = np.linalg.inv(told[:, :3].T @ told[:, :3])
    effect = inverse[2] @ told[:, :3].T @ told[:, 3]
    size = cell.cv * _SIZE * np.sqrt(0.5 * (shares.sum() ** 2 + shares @ shares))
    much = half * after.sum()
    return Known(float(-much * effect), float(much * size * np.sqrt(inverse[2, 2])))


def _bill(cell: Cell, count: int, number: int, seed: int) -> tuple[float, float, bool, float]:
    made = hall(cell, count, number, seed)
    tables, true = made.saving(cell.saving)
    agreed = replace(
        AGREED,
        method=MeasurementMethod.MACHINES,
        machines=made.machines,
        variables=(IndependentVariable("parts", "pcs"),),
        reporting=DateRange(TURN, TURN + timedelta(days=AFTER)),
    )
    before = {name: one.filter(one.days < TURN.toordinal()) for name, one in tables.items()}
    terms = select_baseline(
        compare_machine_groups(before, agreed, made.machines).difference, agreed
    ).terms
    saving = holdout_savings(tables, terms, agreed, made.machines)
    bound, best = saving.lower_bound(CONFIDENCE), known_of(made, cell)
    return max(0.0, bound), true, best.bills, best.chance(bound - true)
