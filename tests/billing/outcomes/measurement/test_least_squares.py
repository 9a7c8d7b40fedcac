"""Least squares, compared with statsmodels."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from billing.outcomes.measurement.least_squares import LeastSquaresFit, least_squares
from billing.outcomes.measurement.noise import FloatArray
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    from statsmodels.regression import linear_model
else:
    linear_model = LazyModule("statsmodels.regression.linear_model")

RANDOM = np.random.default_rng(4)
COLUMNS = np.column_stack([np.ones(60), RANDOM.uniform(200, 400, 60), RANDOM.uniform(0, 1, 60)])
VALUES = COLUMNS @ [500.0, 2.0, -30.0] + 20 * RANDOM.standard_normal(60)


def both(columns: FloatArray) -> tuple[LeastSquaresFit, Any]:
    return least_squares(VALUES, columns), linear_model.OLS(VALUES, columns).fit()


def test_least_squares_coefficients_and_residuals_match_statsmodels() -> None:
    ours, theirs = both(COLUMNS)
    assert ours.coefficients == pytest.approx(theirs.params)
    assert ours.residuals == pytest.approx(theirs.resid)
    assert ours.residual_sum_of_squares == pytest.approx(theirs.ssr)


def test_least_squares_bic_difference_matches_statsmodels() -> None:
    (more, more_theirs), (less, less_theirs) = both(COLUMNS), both(COLUMNS[:, :2])
    assert more.bic - less.bic == pytest.approx(more_theirs.bic - less_theirs.bic)
