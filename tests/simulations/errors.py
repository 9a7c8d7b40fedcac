"""Other error estimates of a saving, on the same plants and columns.

    Newey-West        least squares, HAC errors of the effects and of the later noise
    prewhitened       as Newey-West on the residuals of an AR(1) (Andrews and Monahan 1992)
    Guideline 14      1.26 t CV sqrt(n / n' (1 + 2 / n') / m), n' = n (1 - rho) / (1 + rho)
    GLSAR             AR(1) fitted by iteration (Cochrane and Orcutt), its own errors
    GLSAR and HAC     as GLSAR with HAC errors of its residuals
    ours              each noise model by likelihood (billing/outcomes/measurement/gls_estimator.py)

Plants have no effect; a saving raises the lower bound by the same amount, so one run gives both
shares.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

from billing.outcomes.measurement.baseline import select_baseline
from billing.outcomes.measurement.saving import estimate_savings
from infra.lazy_import import LazyModule
from tests.simulations.effects import CONFIDENCE
from tests.simulations.plants import AGREED, YEAR, Cell, Floats, plant

if TYPE_CHECKING:
    from statsmodels.regression import linear_model
else:  # takes half a second to import
    linear_model = LazyModule("statsmodels.regression.linear_model")

SAVING = 0.1
Bound = Callable[[Floats, Floats, Floats, Floats], float]


def bounds(cell: Cell, number: int, seed: int = 1) -> dict[str, float]:
    """The lower bound of each method for a plant without effect, as a share of the year's use."""
    one = plant(cell, number, seed)
    baseline = select_baseline(one.before, AGREED)
    before, after = (baseline.terms.design_matrix(of) for of in (one.before, one.after))
    told = (one.before.values, before, one.after.values, after)
    found = {name: bound(*told) for name, bound in METHODS.items()}
    found["ours"] = estimate_savings(one.before, one.after, baseline, AGREED).lower_bound(
        CONFIDENCE
    )
    year = float(one.without[YEAR:].sum())
    return {name: bound / year for name, bound in found.items()}


def compare(
    cell: Cell, plants: int, mapped: Callable[..., object] = map, seed: int = 1
) -> Mapping[str, tuple[float, float]]:
    """By method: the share of plants billed without effect, and what is billed of a 10 % saving."""
    found = list(mapped(partial(bounds, cell, seed=seed), range(plants)))
    lower = {name: np.array([one[name] for one in found]) for name in found[0]}
    return {
        name: (float((of > 0).mean()), float(np.maximum(0, of + SAVING).mean() / SAVING))
        for name, of in lower.items()
    }


def least_squares(
    values: Floats, columns: Floats, later: Floats, asked: Floats, long_run: Callable[..., float]
) -> float:
    """Least squares; effects and later noise by the long-run variance of what moves them."""
    fitted = linear_model.OLS(values, columns).fit(method="qr")
    sought = asked.sum(axis=0)
    moves = columns @ fitted.normalized_cov_params @ sought * fitted.resid
    varies = len(values) * long_run(moves) + len(later) * long_run(fitted.resid)
    return _bound(sought @ fitted.params - later.sum(), varies, fitted.df_resid)


def guideline14(values: Floats, columns: Floats, later: Floats, asked: Floats) -> float:
    fitted = linear_model.OLS(values, columns).fit(method="qr")
    rho, n, m = _rho(fitted.resid), len(values), len(later)
    worth = n * (1 - rho) / (1 + rho)
    adjusted = float(asked.sum(axis=0) @ fitted.params)
    cv = np.sqrt(fitted.mse_resid) / values.mean()
    error = 1.26 * cv * adjusted * np.sqrt(n / worth * (1 + 2 / worth) / m)
    return _bound(adjusted - later.sum(), error**2, fitted.df_resid)


def glsar(
    values: Floats, columns: Floats, later: Floats, asked: Floats, robust: bool = False
) -> float:
    model = linear_model.GLSAR(values, columns, rho=1)
    plain = model.iterative_fit(maxiter=8)
    rho = float(model.rho[0])
    lags = {"cov_type": "HAC", "cov_kwds": {"maxlags": _lags(len(values))}}
    fitted = linear_model.GLSAR(values, columns, rho=rho).fit(**lags) if robust else plain
    sought = asked.sum(axis=0)
    fresh = newey_west(fitted.wresid) if robust else float(fitted.scale)
    varies = sought @ fitted.cov_params() @ sought + len(later) * fresh / (1 - rho) ** 2
    return _bound(sought @ fitted.params - later.sum(), varies, fitted.df_resid)


def newey_west(series: Floats) -> float:
    """The long-run variance with Bartlett's kernel."""
    lags, n = _lags(len(series)), len(series)
    later = [
        2 * (1 - lag / (lags + 1)) * (series[lag:] @ series[:-lag]) for lag in range(1, lags + 1)
    ]
    return float((series @ series + sum(later)) / n)


def prewhitened(series: Floats) -> float:
    """The long-run variance of AR(1) residuals, recoloured."""
    rho = min(_rho(series), 0.97)
    return newey_west(series[1:] - rho * series[:-1]) / (1 - rho) ** 2


METHODS: dict[str, Bound] = {
    "Newey-West": partial(least_squares, long_run=newey_west),
    "prewhitened": partial(least_squares, long_run=prewhitened),
    "Guideline 14": guideline14,
    "GLSAR": glsar,
    "GLSAR and HAC": partial(glsar, robust=True),
}


def _bound(estimate: float, varies: float, freedom: float) -> float:
    return float(estimate - student.ppf(CONFIDENCE, freedom) * np.sqrt(varies))


def _rho(series: Floats) -> float:
    return float(series[1:] @ series[:-1] / (series[:-1] @ series[:-1]))


def _lags(count: int) -> int:
    return int(4 * (count / 100) ** (2 / 9))
