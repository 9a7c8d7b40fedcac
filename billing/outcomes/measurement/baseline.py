"""The baseline: which terms explain a day's quantity, and how well.

Least squares on the agreed variables, always all of them, and on seasonal terms of a fixed list,
chosen by the least BIC after the lasting part of the noise was taken out, as lasting noise looks
like seasons. Balance points of a temperature come from a grid, by BIC as well (the change-point
models of ASHRAE Guideline 14, annex on whole-building regression). Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from billing.outcomes.measurement.agreed import Agreed, Shape
from billing.outcomes.measurement.columns import (
    Balance,
    Terms,
    are_distinct,
    require_distinct,
)
from billing.outcomes.measurement.cross_validation import monthly_bias
from billing.outcomes.measurement.days import Table
from billing.outcomes.measurement.faults import BaselineUnfit
from billing.outcomes.measurement.least_squares import bic, least_squares
from billing.outcomes.measurement.noise import Days, Floats, fresh

_LEAST_FREE = 10  # days more than there are columns
_WAVES = (0, 1, 2)
_YEARLY = 330  # fewer days say nothing of a year
_MOST_RHO = 0.95
_GRID = 19
_EXACT = 1e-20  # of the sum of squares, which is what rounding leaves


@dataclass(frozen=True, slots=True)
class Baseline:
    """The chosen terms and their fit; cv and bias are CV(RMSE) and NMBE as shares of the mean.

        CV(RMSE) = sqrt(sum e^2 / (n - p)) / mean

    (ASHRAE Guideline 14), p being all that was fitted, balance points too; NMBE is of months that
    were left out (cross_validation.py). `effects` are those of the columns, by least squares, and
    `rho` is how much of a residual is there again on the next day.
    """

    terms: Terms
    names: tuple[str, ...]
    effects: tuple[float, ...]
    cv: float
    bias: float
    explained: float  # R squared
    rho: float
    residuals: Floats


def choose(table: Table, agreed: Agreed, size: float | None = None) -> Baseline:
    """The best terms for a table, and their fit.

    `size` is what cv and bias are shares of, where that is not the quantity's mean.

    Raises BaselineUnfit for too few days, a constant quantity, a constant variable, and variables
    that follow from others.
    """
    shapes = {one.name: one.shape for one in agreed.variables}
    linear = [name for name, shape in shapes.items() if shape == Shape.LINEAR]
    degrees = [name for name, shape in shapes.items() if shape == Shape.DEGREES]
    _require_days(table, 1 + len(linear) + 2 * len(degrees))
    require_distinct(Terms(linear=(*linear, *degrees)).named(table))
    terms = Terms(linear=tuple(linear))
    for name in degrees:
        balance = _balanced(table, terms, name)
        terms = replace(terms, balances=(*terms.balances, (name, balance)))
    return fitted(table, _seasonal(table, terms), size)


def _require_days(table: Table, columns: int) -> None:
    days = len(table.days)
    if days < columns + _LEAST_FREE:
        raise BaselineUnfit(f"{days} whole days are too few for {columns} columns.")
    if np.ptp(table.values) == 0:
        raise BaselineUnfit("The quantity is the same on all days.")


def _balanced(table: Table, terms: Terms, name: str) -> Balance:
    """Of all balance points on a grid between the coldest and the warmest days, the best.

    By the sum of squares, less what the points' own columns explain of it once the other terms
    are taken out of both.
    """
    others, degrees = terms.columns(table), table.variables[name]
    low, high = np.quantile(degrees, (0.05, 0.95))
    grid: list[float] = np.linspace(low, high, _GRID).tolist()
    own = np.column_stack(
        [np.maximum(0.0, at - degrees) for at in grid]
        + [np.maximum(0.0, degrees - at) for at in grid]
    )
    basis = np.linalg.qr(others)[0]
    own, left = own - basis @ (basis.T @ own), table.values - basis @ (basis.T @ table.values)
    products, explains, whole = own.T @ own, own.T @ left, float(left @ left)

    def information(points: tuple[int, ...]) -> float:
        inner, outer = products[np.ix_(points, points)], explains[list(points)]
        squares = whole - outer @ np.linalg.lstsq(inner, outer)[0] if points else whole
        return bic(squares, len(left), others.shape[1] + 2 * len(points))

    best = min(_points(), key=information)
    return Balance(
        next((grid[at] for at in best if at < _GRID), None),
        next((grid[at - _GRID] for at in best if at >= _GRID), None),
    )


def _points() -> Iterator[tuple[int, ...]]:
    """No balance point, one for heating or for cooling, or both in their order, as places."""
    yield ()
    yield from ((at,) for at in range(2 * _GRID))
    yield from ((low, _GRID + high) for low in range(_GRID) for high in range(low, _GRID))


def _seasonal(table: Table, terms: Terms) -> Terms:
    """The terms with the seasons that have the least BIC, the plainest first."""
    whole = int(table.days[-1] - table.days[0]) >= _YEARLY
    weekly = np.bincount(table.days % 7, minlength=7).min() >= 4
    candidates = [
        replace(terms, week=week, waves=waves)
        for week, waves in product((False, True) if weekly else (False,), _WAVES if whole else (0,))
    ]
    named = [one.named(table) for one in candidates]
    usable = [at for at, one in enumerate(named) if len(table.days) >= len(one) + _LEAST_FREE]
    usable = [at for at in usable if at == 0 or are_distinct(named[at])]
    tables = {at: np.column_stack([values for _, values in named[at]]) for at in usable}
    rho = lasting(least_squares(table.values, tables[usable[-1]]).residuals, table.days)
    values = fresh(table.values[:, None], table.days, rho)[:, 0]
    news = {at: least_squares(values, fresh(tables[at], table.days, rho)) for at in usable}
    return candidates[min(usable, key=lambda at: news[at].information)]


def fitted(table: Table, terms: Terms, size: float | None = None) -> Baseline:
    """The fit of terms that are chosen. Raises BaselineUnfit where nothing is left of the days."""
    names, columns = [name for name, _ in terms.named(table)], terms.columns(table)
    fit = least_squares(table.values, columns)
    if fit.squares <= _EXACT * float(table.values @ table.values):
        raise BaselineUnfit("The quantity follows exactly from the variables: it is no reading.")
    free = len(table.days) - len(names) - sum(one.points for _, one in terms.balances)
    mean = abs(float(table.values.mean()) if size is None else size)
    bias = monthly_bias(table.values, columns, table.days)
    apart = table.values - table.values.mean()
    return Baseline(
        terms=terms,
        names=tuple(names),
        effects=tuple(fit.effects.tolist()),
        cv=float(np.sqrt(fit.squares / free)) / mean if mean else np.inf,
        bias=bias / mean if mean else np.inf,
        explained=1 - fit.squares / float(apart @ apart),
        rho=lasting(fit.residuals, table.days),
        residuals=fit.residuals,
    )


def lasting(residuals: Floats, days: Days) -> float:
    """How much of a residual is there again on the next day: autocorrelation, 0 to 0.95."""
    next_day = np.diff(days) == 1
    both = float(residuals[1:][next_day] @ residuals[:-1][next_day])
    alone = float(residuals[:-1][next_day] @ residuals[:-1][next_day])
    return min(max(both / alone, 0.0), _MOST_RHO) if alone else 0.0


def roughness(residuals: Floats, days: Days, rho: float) -> float:
    """The variance of what is new on each day, once the mean is taken out."""
    new = fresh((residuals - residuals.mean())[:, None], days, rho)
    return float((new**2).sum()) / max(1, len(new) - 1)
