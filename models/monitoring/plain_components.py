"""Textbook monitoring by principal components, against which monitors are compared.

T² of the components that explain 70 % of the variance, with the limit of the F distribution, and
the squared prediction error with the limit of Jackson and Mudholkar (1979), each at 99 %. An alarm
is either. Nothing is held out: the limits are those of the fitted rows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import f, norm

from models.monitoring.components import Floats

_EXPLAINED, _LEVEL = 0.7, 0.99


@dataclass(frozen=True, slots=True)
class PlainComponents:
    """Mean and deviation of the columns, [columns]; loadings [columns, columns]; limits.

    variances: of the components, [columns], the first `leading` of which are in T².
    """

    centre: Floats
    spread: Floats
    loadings: Floats
    variances: Floats
    leading: int
    limits: tuple[float, float]

    def ratios(self, rows: Floats) -> Floats:
        """Return the larger statistic of rows [..., columns] in units of its limit, [...]."""
        squares = ((rows - self.centre) / self.spread @ self.loadings) ** 2
        within = (squares[..., : self.leading] / self.variances[: self.leading]).sum(axis=-1)
        beside = squares[..., self.leading :].sum(axis=-1)
        return np.asarray(np.maximum(within / self.limits[0], beside / self.limits[1]))


def fit_plain_components(rows: Floats) -> PlainComponents:
    """Fit on rows of normal operation, [rows, columns], more rows than columns."""
    centre, spread = rows.mean(axis=0), rows.std(axis=0, ddof=1)
    scaled = (rows - centre) / spread
    variances, loadings = np.linalg.eigh(scaled.T @ scaled / (len(rows) - 1))
    variances, loadings = variances[::-1], loadings[:, ::-1]
    shares = np.cumsum(variances) / variances.sum()
    leading = min(int(np.searchsorted(shares, _EXPLAINED)) + 1, len(variances) - 1)
    limits = (_score_limit(leading, len(rows)), _residual_limit(variances[leading:]))
    return PlainComponents(centre, spread, loadings, variances, leading, limits)


def _score_limit(leading: int, rows: int) -> float:
    """Return the limit of T²."""
    factor = leading * (rows**2 - 1) / (rows * (rows - leading))
    return float(factor * f.ppf(_LEVEL, leading, rows - leading))


def _residual_limit(variances: Floats) -> float:
    """Return the limit of the squared prediction error."""
    first, second, third = (float(np.sum(variances**power)) for power in (1, 2, 3))
    power = 1 - 2 * first * third / (3 * second**2)
    root = float(norm.ppf(_LEVEL)) * np.sqrt(2 * second * power**2) / first
    return float(first * (root + 1 + second * power * (power - 1) / first**2) ** (1 / power))
