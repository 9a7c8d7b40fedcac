"""The baseline regression model: selection of its terms and its goodness of fit.

Least squares on all agreed independent variables, plus seasonal terms from a fixed list selected by
BIC. The columns are whitened (AR(1)) before that selection, because autocorrelated noise looks like
a season. Balance points of a temperature come from a grid search by BIC (change-point models of
ASHRAE Guideline 14, annex on whole-building regression).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from billing.outcomes.measurement.columns import (
    BalancePoints,
    RegressionTerms,
    are_independent_columns,
    require_independent_columns,
)
from billing.outcomes.measurement.cross_validation import cross_validated_monthly_bias
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.errors import BaselineFitFailed
from billing.outcomes.measurement.least_squares import bic, least_squares
from billing.outcomes.measurement.noise import DayArray, FloatArray, ar1_innovations
from billing.outcomes.measurement.plan import MeasurementPlan, VariableForm

_MIN_RESIDUAL_DAYS = 10  # days in addition to one per column
_HARMONICS = (0, 1, 2)
_MIN_DAYS_FOR_ANNUAL_TERMS = 330  # fewer days cannot identify an annual cycle
_MAX_RHO = 0.95
_GRID_SIZE = 19
_EXACT_FIT_TOLERANCE = 1e-20  # share of the sum of squares that rounding errors can leave


@dataclass(frozen=True, slots=True)
class BaselineModel:
    """A fitted baseline regression: terms, coefficients and goodness of fit.

        CV(RMSE) = sqrt(sum e^2 / (n - p)) / mean     (ASHRAE Guideline 14)

    `p` counts all fitted parameters, including balance points. `cv_rmse` and `nmbe` are shares of
    the mean; `nmbe` is cross-validated by month (cross_validation.py). `coefficients` are the least
    squares estimates per column; `rho` is the lag-1 autocorrelation of the residuals.
    """

    terms: RegressionTerms
    names: tuple[str, ...]
    coefficients: tuple[float, ...]
    cv_rmse: float
    nmbe: float
    r_squared: float  # R squared
    rho: float
    residuals: FloatArray


def select_baseline(
    table: DailyTable, plan: MeasurementPlan, mean_override: float | None = None
) -> BaselineModel:
    """Select the regression terms of lowest BIC for the baseline days and fit them.

    CV(RMSE) and NMBE are relative to `mean_override` if given, else to the mean of the quantity.

    Raises BaselineFitFailed for too few days, a constant quantity, a constant variable, or
    collinear variables.
    """
    shapes = {one.name: one.shape for one in plan.variables}
    linear_variables = [name for name, shape in shapes.items() if shape == VariableForm.LINEAR]
    degree_variables = [name for name, shape in shapes.items() if shape == VariableForm.DEGREES]
    _require_enough_days(table, 1 + len(linear_variables) + 2 * len(degree_variables))
    require_independent_columns(
        RegressionTerms(linear=(*linear_variables, *degree_variables)).named_columns(table)
    )
    terms = RegressionTerms(linear=tuple(linear_variables))
    for name in degree_variables:
        balance = _best_balance_points(table, terms, name)
        terms = replace(terms, balances=(*terms.balances, (name, balance)))
    return fit_terms(table, _select_seasonal_terms(table, terms), mean_override)


def _require_enough_days(table: DailyTable, columns: int) -> None:
    """Raise BaselineFitFailed for too few days for `columns` or a constant quantity."""
    days = len(table.days)
    if days < columns + _MIN_RESIDUAL_DAYS:
        raise BaselineFitFailed(f"{days} complete days are too few for {columns} columns.")
    if np.ptp(table.values) == 0:
        raise BaselineFitFailed(
            "The quantity has the same value on all days, so no baseline can be fitted."
        )


def _best_balance_points(table: DailyTable, terms: RegressionTerms, name: str) -> BalancePoints:
    """Return the heating and cooling balance points with the lowest BIC on a temperature grid.

    The grid spans the 5 % to 95 % quantiles. Quantity and candidate columns are first projected
    orthogonally to the other terms, so that each candidate costs only a small regression.
    """
    other_columns, degrees = terms.design_matrix(table), table.variables[name]
    low, high = np.quantile(degrees, (0.05, 0.95))
    grid: list[float] = np.linspace(low, high, _GRID_SIZE).tolist()
    candidates = np.column_stack(
        [np.maximum(0.0, at - degrees) for at in grid]
        + [np.maximum(0.0, degrees - at) for at in grid]
    )
    basis = np.linalg.qr(other_columns)[0]
    candidates, residuals = (
        candidates - basis @ (basis.T @ candidates),
        table.values - basis @ (basis.T @ table.values),
    )
    products, cross_products, total_squares = (
        candidates.T @ candidates,
        candidates.T @ residuals,
        float(residuals @ residuals),
    )

    def score(points: tuple[int, ...]) -> float:
        """Return the BIC of a fit with these candidate columns."""
        inner, outer = products[np.ix_(points, points)], cross_products[list(points)]
        squares = (
            total_squares - outer @ np.linalg.lstsq(inner, outer)[0] if points else total_squares
        )
        return bic(squares, len(residuals), other_columns.shape[1] + 2 * len(points))

    best = min(_balance_point_candidates(), key=score)
    return BalancePoints(
        next((grid[at] for at in best if at < _GRID_SIZE), None),
        next((grid[at - _GRID_SIZE] for at in best if at >= _GRID_SIZE), None),
    )


def _balance_point_candidates() -> Iterator[tuple[int, ...]]:
    """Yield the choices of balance points as column indices: none, heating, cooling, or both.

    The first _GRID_SIZE columns are heating temperatures, the others cooling temperatures. If both
    are chosen, heating is not above cooling.
    """
    yield ()
    yield from ((at,) for at in range(2 * _GRID_SIZE))
    yield from (
        (low, _GRID_SIZE + high) for low in range(_GRID_SIZE) for high in range(low, _GRID_SIZE)
    )


def _select_seasonal_terms(table: DailyTable, terms: RegressionTerms) -> RegressionTerms:
    """Return the terms with the weekday and annual columns of lowest BIC (simplest first)."""
    spans_year = int(table.days[-1] - table.days[0]) >= _MIN_DAYS_FOR_ANNUAL_TERMS
    has_all_weekdays = np.bincount(table.days % 7, minlength=7).min() >= 4
    candidates = [
        replace(terms, week=week, waves=waves)
        for week, waves in product(
            (False, True) if has_all_weekdays else (False,), _HARMONICS if spans_year else (0,)
        )
    ]
    named_columns = [one.named_columns(table) for one in candidates]
    usable = [
        at
        for at, one in enumerate(named_columns)
        if len(table.days) >= len(one) + _MIN_RESIDUAL_DAYS
    ]
    usable = [at for at in usable if at == 0 or are_independent_columns(named_columns[at])]
    designs = {
        at: np.column_stack([innovations for _, innovations in named_columns[at]]) for at in usable
    }
    rho = autocorrelation(least_squares(table.values, designs[usable[-1]]).residuals, table.days)
    innovations = ar1_innovations(table.values[:, None], table.days, rho)[:, 0]
    fits = {
        at: least_squares(innovations, ar1_innovations(designs[at], table.days, rho))
        for at in usable
    }
    return candidates[min(usable, key=lambda at: fits[at].bic)]


def fit_terms(
    table: DailyTable, terms: RegressionTerms, mean_override: float | None = None
) -> BaselineModel:
    """Fit terms by least squares; CV(RMSE) and NMBE are relative to `mean_override` if given.

    Raises BaselineFitFailed if the variables explain the quantity exactly (not a measurement).
    """
    names, columns = [name for name, _ in terms.named_columns(table)], terms.design_matrix(table)
    fit = least_squares(table.values, columns)
    if fit.residual_sum_of_squares <= _EXACT_FIT_TOLERANCE * float(table.values @ table.values):
        raise BaselineFitFailed(
            "The variables determine the quantity exactly, so it cannot be a meter reading."
        )
    degrees_of_freedom = len(table.days) - len(names) - sum(one.count for _, one in terms.balances)
    mean = abs(float(table.values.mean()) if mean_override is None else mean_override)
    bias = cross_validated_monthly_bias(table.values, columns, table.days)
    centered = table.values - table.values.mean()
    return BaselineModel(
        terms=terms,
        names=tuple(names),
        coefficients=tuple(fit.coefficients.tolist()),
        cv_rmse=float(np.sqrt(fit.residual_sum_of_squares / degrees_of_freedom)) / mean
        if mean
        else np.inf,
        nmbe=bias / mean if mean else np.inf,
        r_squared=1 - fit.residual_sum_of_squares / float(centered @ centered),
        rho=autocorrelation(fit.residuals, table.days),
        residuals=fit.residuals,
    )


def autocorrelation(residuals: FloatArray, days: DayArray) -> float:
    """Return the lag-1 autocorrelation of the residuals on consecutive days, clipped to 0..0.95."""
    consecutive = np.diff(days) == 1
    cross_product = float(residuals[1:][consecutive] @ residuals[:-1][consecutive])
    sum_of_squares = float(residuals[:-1][consecutive] @ residuals[:-1][consecutive])
    return min(max(cross_product / sum_of_squares, 0.0), _MAX_RHO) if sum_of_squares else 0.0


def innovation_variance(residuals: FloatArray, days: DayArray, rho: float) -> float:
    """Return the variance of the AR(1) innovations of the centered residuals."""
    innovations = ar1_innovations((residuals - residuals.mean())[:, None], days, rho)
    return float((innovations**2).sum()) / max(1, len(innovations) - 1)
