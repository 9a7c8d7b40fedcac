"""Least squares: effects of columns on a quantity, by QR.

Written here because loading a statistics library takes longer than all the rest of a command; tests
hold it beside statsmodels. Pure.
"""

from dataclasses import dataclass

import numpy as np

from billing.outcomes.measurement.noise import Floats


@dataclass(frozen=True, slots=True)
class Fit:
    """Effects by column, and what they leave of each value."""

    effects: Floats
    residuals: Floats

    @property
    def squares(self) -> float:
        """The sum of squares that is left."""
        return float(self.residuals @ self.residuals)

    @property
    def information(self) -> float:
        """Schwarz's BIC, but for what all fits of the same values share."""
        return bic(self.squares, len(self.residuals), len(self.effects))


def least_squares(values: Floats, columns: Floats) -> Fit:
    """The fit of columns of full rank."""
    basis, turn = np.linalg.qr(columns)
    effects = np.linalg.solve(turn, basis.T @ values)
    return Fit(effects, values - columns @ effects)


def bic(squares: float, count: int, told: int) -> float:
    """Of a sum of squares over `count` values after `told` numbers were fitted."""
    return float(count * np.log(squares) + told * np.log(count))
