"""The estimate with known noise and terms of a plant, to separate chance from bias.

1000 plants billed by an exact 95 % are not 50 but 36 to 64 of them. Who knows everything is wrong
by a normal deviate of a known error, and how far another's bound lies from theirs has nothing to do
with it. So the chance that a plant is billed too much follows from the two bounds, and the mean of
the chances tells a cell's share far closer than counting does.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from tests.simulations.effects import SURE, known_columns
from tests.simulations.plants import Cell, Days, Floats, Plant


@dataclass(frozen=True)
class Known:
    """The estimate of a zero saving and its exact standard error."""

    estimate: float
    error: float

    @property
    def bills(self) -> bool:
        return self.estimate > SURE * self.error

    def chance(self, above: float) -> float:
        """The probability that a bound is above the truth for other noise of the same plant."""
        return float(norm.cdf((above - self.estimate) / self.error))


def known(one: Plant, cell: Cell, without: Days, having: Days) -> Known:
    """Estimate from days without and with the effect, numbered from the first of two years."""
    both = np.concatenate([without, having])
    noise = _covariance(cell, both)
    columns, values = known_columns(one)[both], one.without[both]
    n, sought = len(without), columns[len(without) :].sum(axis=0)
    reach = noise[:n, n:].sum(axis=1)
    solved = np.linalg.solve(noise[:n, :n], np.column_stack([columns[:n], reach]))
    by_columns, by_reach = solved[:, :-1], solved[:, -1]
    rest = np.linalg.solve(columns[:n].T @ by_columns, sought - columns[:n].T @ by_reach)
    weights = np.concatenate([by_reach + by_columns @ rest, -np.ones(len(having))])
    size = cell.cv * one.explained_mean
    return Known(float(weights @ values), size * float(np.sqrt(weights @ noise @ weights)))


def _covariance(cell: Cell, days: Days) -> Floats:
    noise: Floats = cell.lasting * cell.rho ** np.abs(days[:, None] - days).astype(np.float64)
    np.fill_diagonal(noise, 1.0)
    return noise
