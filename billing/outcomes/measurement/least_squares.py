"""Ordinary least squares by QR decomposition, with BIC.

Implemented here because importing a statistics library takes longer than the rest of a CLI command;
tests compare it with statsmodels.
"""

from dataclasses import dataclass

import numpy as np

from billing.outcomes.measurement.noise import FloatArray


@dataclass(frozen=True, slots=True)
class LeastSquaresFit:
    """Least squares coefficients by column, and the residuals."""

    coefficients: FloatArray
    residuals: FloatArray

    @property
    def residual_sum_of_squares(self) -> float:
        """Return the residual sum of squares."""
        return float(self.residuals @ self.residuals)

    @property
    def bic(self) -> float:
        """Return the BIC of the fit, up to a constant that is the same for the same values."""
        return bic(self.residual_sum_of_squares, len(self.residuals), len(self.coefficients))


def least_squares(values: FloatArray, columns: FloatArray) -> LeastSquaresFit:
    """Fit columns of full rank by ordinary least squares."""
    basis, triangular = np.linalg.qr(columns)
    effects = np.linalg.solve(triangular, basis.T @ values)
    return LeastSquaresFit(effects, values - columns @ effects)


def bic(residual_sum_of_squares: float, observations: int, parameters: int) -> float:
    """Return the Bayesian information criterion of a fit, up to an additive constant."""
    return float(observations * np.log(residual_sum_of_squares) + parameters * np.log(observations))
