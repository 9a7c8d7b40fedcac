"""Billed amounts of many simulated plants per cell, with and without a saving.

The `bound` is billed by an ideal estimator that knows each plant's noise and its explaining terms
and estimates only their effects: the optimum for these days. Counts the outcomes; plants are in
plants.py, other error estimates in errors.py.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from billing.outcomes.measurement.baseline import select_baseline
from billing.outcomes.measurement.saving import estimate_savings
from tests.simulations.plants import AGREED, YEAR, Cell, Floats, Plant, plant

CONFIDENCE = 0.95
SURE = 1.6448536269514722  # the normal distribution's quantile for 95 %
_CHUNK = 25


@dataclass(frozen=True)
class Billed:
    """Of one plant: the billed and the true saving, and the most that could be billed."""

    amount: float
    saved: float
    bound: float
    error: float
    wrong: float


@dataclass(frozen=True)
class Row:
    """One cell: of its plants the share billed anything, the share billed more than they saved,
    and what was billed of what was saved, beside the bound. `error` and `apart` are the standard
    error that was stated, on average, and the one that showed, as shares of a year's use."""

    cell: Cell
    plants: int
    billed: float
    too_much: float
    kept: float
    bound: float
    error: float
    apart: float


def rows(cells: Sequence[Cell], plants: int, pool: Executor, seed: int = 1) -> Iterator[Row]:
    """The rows of the table, one per cell."""
    for cell in cells:
        yield row(cell, plants, partial(pool.map, chunksize=_CHUNK), seed)


def row(cell: Cell, plants: int, mapped: Callable[..., object] = map, seed: int = 1) -> Row:
    """The row of one cell with a number of plants."""
    found = list(mapped(partial(bill, cell, seed=seed), range(plants)))
    amounts, savings = (
        np.array([getattr(one, name) for one in found]) for name in ("amount", "saved")
    )
    total = savings.sum() or np.nan
    return Row(
        cell,
        plants,
        billed=float((amounts > 0).mean()),
        too_much=float((amounts > savings).mean()),
        kept=float(amounts.sum() / total),
        bound=float(sum(one.bound for one in found) / total),
        error=float(np.sqrt(np.mean([one.error**2 for one in found]))),
        apart=float(np.sqrt(np.mean([one.wrong**2 for one in found]))),
    )


def bill(cell: Cell, number: int, seed: int = 1) -> Billed:
    """Compute the billed saving of one plant from its days."""
    one = plant(cell, number, seed)
    baseline = select_baseline(one.before, AGREED)
    saving = estimate_savings(one.before, one.after, baseline, AGREED)
    year = float(one.without[YEAR:].sum())
    return Billed(
        amount=max(0.0, saving.lower_bound(CONFIDENCE)),
        saved=one.saved,
        bound=best(one, cell) if cell.saving else 0.0,
        error=saving.mixture.standard_error / year,
        wrong=(saving.estimate - one.saved) / year,
    )


def best(one: Plant, cell: Cell) -> float:
    """The saving billed with known noise and terms, at the same confidence."""
    columns = known_columns(one)
    days = np.arange(2 * YEAR)
    shape = cell.lasting * cell.rho ** np.abs(days[:, None] - days)
    shape[days, days] = 1.0
    shape *= (cell.cv * one.explained_mean) ** 2
    before, after = slice(None, YEAR), slice(YEAR, None)
    solved = np.linalg.solve(shape[before, before], columns[before])
    sought = columns[after].sum(axis=0)
    levers = solved @ np.linalg.solve(columns[before].T @ solved, sought)
    weights = np.concatenate([levers, -np.ones(YEAR)])
    estimate = float(levers @ one.table.values[before] - one.table.values[after].sum())
    return max(0.0, estimate - SURE * float(np.sqrt(weights @ shape @ weights)))


def known_columns(one: Plant) -> Floats:
    """The columns from which the plant was simulated."""
    of = one.table.variables
    angle = 2 * np.pi * np.arange(2 * YEAR) / 365.25
    cold = np.maximum(0.0, 15 - of["outside"])
    parts = [of["parts of A"], of["parts of B"]]
    return np.column_stack([np.ones(2 * YEAR), *parts, cold, np.cos(angle), np.sin(angle)])
