"""An effect and how sure it is, whatever the noise may be like: the estimator of all methods.

A regression with noise that lasts (generalised least squares). How much of it lasts and how fast
it fades is not known, and a year of days tells it only roughly: taking one value for it makes the
error too small. So every combination on a grid is taken, and each counts by its likelihood:

    weight(noise) ~ restricted likelihood (REML; Patterson and Thompson 1971)
    effect | noise ~ Student's t around the GLS estimate, n - p degrees of freedom
    bound          = quantile of the weighted mixture of these

Once over the whole grid, and once over those of which all lasts (an AR(1)); the more cautious of
the two bounds counts. The first is wider against a year before, the second between weeks. Between
weeks both once more with what all the days tell of the noise (`likelihood`), those with the effect
as well. Measured against Newey-West, prewhitened and other errors in docs/decisions/0017. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from billing.outcomes.measurement.noise import Days, Floats, Noise
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import scipy.special
else:
    scipy = LazyModule("scipy")

_SHARES = np.arange(1, 11) / 10
_RHOS = np.tanh(np.arange(1, 20) * 0.115)  # 0.11 to 0.975, denser where noise lasts longer
GRID = Noise(np.repeat(_SHARES, len(_RHOS)), np.tile(_RHOS, len(_SHARES)))
_HALVINGS = 80


@dataclass(frozen=True, slots=True)
class Other:
    """Days of a reporting period that are predicted, with their weights.

    `rougher` is how many times the baseline's the variance of their noise is, at least 1.
    """

    days: Days
    weights: Floats
    rougher: float = 1.0


@dataclass(frozen=True, slots=True)
class Mixture:
    """What is known of an effect: Student's t for each noise, and the noises' weights.

    `weights` has a row for each way to weigh them, noises by columns; the more cautious counts.
    """

    weights: Floats
    centres: Floats
    scales: Floats
    freedom: int
    rho: float  # of the noise from a day to the next

    @property
    def centre(self) -> float:
        return float(self.weights[0] @ self.centres)

    @property
    def error(self) -> float:
        """The standard error, with what the noises differ about the effect."""
        apart = self.centres - self.centre
        return float(np.sqrt(self.weights @ (self.scales**2 + apart**2)).max())

    def quantile(self, share: float) -> float:
        """The value below which the effect is with probability `share`, or cautiously less so.

        The lower one below a half, and the higher one above.
        """
        found = [self._quantile(weights, share) for weights in self.weights]
        return min(found) if share < 0.5 else max(found)

    def _quantile(self, weights: Floats, share: float) -> float:
        """By halving."""
        counts = weights > 0
        weights, centres, scales = weights[counts], self.centres[counts], self.scales[counts]
        reach = 1e3 * self.error
        low, high = self.centre - reach, self.centre + reach
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = scipy.special.stdtr(self.freedom, (middle - centres) / scales)
            low, high = (low, middle) if weights @ below > share else (middle, high)
        return (low + high) / 2


def weigh(
    values: Floats,
    columns: Floats,
    days: Days,
    sought: Floats,
    other: Other | None = None,
    also: Sequence[Floats] = (),
) -> Mixture:
    """What is known of the sum `sought` times the effects of `columns`, and of others' noise.

    `values` (n) on `columns` (n by p, of full rank) on n rising `days`. With `other`, it is a
    prediction for those days: the best linear unbiased one (Goldberger 1962), which takes from
    the residuals near them what lasts, and their own noise is in the error. `also` is what more
    days tell of the noise (`likelihood`); the most cautious bound counts.
    """
    n, p = columns.shape
    told, turn, size = _scaled(values, columns)
    reach = np.zeros((len(GRID.rho), n, 1))
    own = np.zeros(len(GRID.rho))
    if other is not None:
        reach[:, :, 0] = GRID.shared(days, other.weights, other.days)
        own = other.rougher * GRID.varies(other.days, other.weights)
    told = np.broadcast_to(told, (len(GRID.rho), n, p + 1))
    news, volume = GRID.whiten(np.concatenate([told, reach], axis=2), days)
    products = news.transpose(0, 2, 1) @ news
    inner, outer, reached = products[:, :p, :p], products[:, :p, p:], products[:, :, p + 1]
    seek = np.linalg.solve(turn.T, sought) - reached[:, :p]
    solved = np.linalg.solve(inner, np.concatenate([outer[:, :, :1], seek[:, :, None]], axis=2))
    squares = products[:, p, p] - (outer[:, :, 0] * solved[:, :, 0]).sum(axis=1)
    weights = _weights(_restricted(squares, inner, volume, n - p), *also)
    centres: Floats = size * ((seek * solved[:, :, 0]).sum(axis=1) + reached[:, p])
    varies = (seek * solved[:, :, 1]).sum(axis=1) + own - reached[:, p + 1]
    scales: Floats = size * np.sqrt(varies * squares / (n - p))
    return Mixture(weights, centres, scales, n - p, float(weights[0] @ (GRID.share * GRID.rho)))


def likelihood(values: Floats, columns: Floats, days: Days) -> Floats:
    """How likely each noise of the grid makes the values: the restricted log likelihoods."""
    n, p = columns.shape
    told, _, _ = _scaled(values, columns)
    news, volume = GRID.whiten(told[None], days)
    products = news.transpose(0, 2, 1) @ news
    inner, outer = products[:, :p, :p], products[:, :p, p:]
    explained = (outer * np.linalg.solve(inner, outer)).sum(axis=(1, 2))
    return _restricted(products[:, p, p] - explained, inner, volume, n - p)


def _scaled(values: Floats, columns: Floats) -> tuple[Floats, Floats, float]:
    """An orthonormal basis of the columns with the values, made of length 1, and how to go back."""
    basis, turn = np.linalg.qr(columns)
    size = float(np.sqrt(values @ values))
    return np.column_stack([basis, values / size]), turn, size


def _restricted(squares: Floats, inner: Floats, volume: Floats, free: int) -> Floats:
    likely: Floats = -(free * np.log(squares) + volume + np.linalg.slogdet(inner)[1]) / 2
    return likely


def _weights(*told: Floats) -> Floats:
    """Of each of the likelihoods two rows: over all noises, and over those of which all lasts."""
    lasts = [np.where(GRID.share == 1, likely, -np.inf) for likely in told]
    return np.stack([_normal(likely) for pair in zip(told, lasts, strict=True) for likely in pair])


def _normal(likely: Floats) -> Floats:
    """Weights of sum 1 from log likelihoods."""
    odds: Floats = np.exp(likely - likely.max())
    weights: Floats = odds / odds.sum()
    return weights
