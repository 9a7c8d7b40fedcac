"""Autocorrelated noise of daily data: whitening and covariances.

    noise = persistent + white,    persistent(t) = rho^gap * persistent(t - gap) + innovation

`share` is the persistent part of the variance. Missing days are longer gaps; nothing is imputed.
With share 1 this is an AR(1), with less it decays like an ARMA(1, 1).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
DayArray = NDArray[np.int64]  # ordinals of local days, ascending


def ar1_innovations(table: FloatArray, days: DayArray, rho: float) -> FloatArray:
    """Return AR(1) innovations by column, scaled to one variance; `table` is days by columns."""
    decay = (rho ** np.diff(days))[:, None]
    innovations = (table[1:] - decay * table[:-1]) / np.sqrt(1 - decay**2)
    return np.concatenate([table[:1], innovations])


@dataclass(frozen=True, slots=True)
class NoiseModels:
    """A set of noise models of variance 1: persistent shares and autocorrelations, same length."""

    share: FloatArray
    rho: FloatArray

    def whiten(self, table: FloatArray, days: DayArray) -> tuple[FloatArray, FloatArray]:
        """Return the table whitened under each noise model (Kalman filter), and log determinants.

        `table` is noise models (or 1) by days by columns. Returns the innovations in the same
        layout, scaled to variance 1, and the log determinant of each covariance.
        """
        innovations = np.empty((len(self.rho), *table.shape[1:]))
        expected = np.zeros((len(self.rho), table.shape[2]))
        log_determinant, state_variance = np.zeros(len(self.rho)), self.share
        gaps = np.diff(days, prepend=days[:1])
        for index, gap in enumerate(gaps):
            decay = self.rho**gap
            state_variance = decay**2 * state_variance + (1 - decay**2) * self.share
            variance = state_variance + 1 - self.share
            expected *= decay[:, None]
            innovation = table[:, index] - expected
            innovations[:, index] = innovation / np.sqrt(variance)[:, None]
            log_determinant += np.log(variance)
            expected += (state_variance / variance)[:, None] * innovation
            state_variance = state_variance * (1 - self.share) / variance
        return innovations, log_determinant

    def cross_covariance(
        self, days: DayArray, weights: FloatArray, other_days: DayArray
    ) -> FloatArray:
        """Return the covariance of each day's noise with a weighted sum of the noise of other days.

        The result is noise models by days. `days` and `other_days` must be disjoint. Computed in
        one forward and one backward pass.
        """
        all_days = np.concatenate([days, other_days])
        order = np.argsort(all_days)
        weight_by_day = np.concatenate([np.zeros(len(days)), weights])[order]
        covariance = np.zeros((len(self.rho), len(all_days)))
        for direction in (slice(None), slice(None, None, -1)):
            indexes, carry = order[direction], np.zeros(len(self.rho))
            gaps = np.abs(np.diff(all_days[indexes], prepend=all_days[indexes[0]]))
            for index, gap, weight in zip(indexes, gaps, weight_by_day[direction], strict=True):
                carry *= self.rho**gap
                covariance[:, index] += carry
                carry += weight
        scaled: FloatArray = self.share[:, None] * covariance[:, : len(days)]
        return scaled

    def weighted_sum_variance(self, days: DayArray, weights: FloatArray) -> FloatArray:
        """Return the variance of a weighted sum of the noise over days, for each noise model."""
        carry, persistent = np.zeros(len(self.rho)), np.zeros(len(self.rho))
        gaps = np.diff(days, prepend=days[:1])
        for gap, weight in zip(gaps, weights, strict=True):
            carry *= self.rho**gap
            persistent += weight * (weight + 2 * carry)
            carry += weight
        variance: FloatArray = self.share * persistent + (1 - self.share) * float(weights @ weights)
        return variance
