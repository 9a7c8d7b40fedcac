"""Noise from day to day: how much of a deviation lasts, how fast it fades, and what it does.

    deviation = lasting + of the day,    lasting(t) = rho^gap lasting(t before) + something fresh

A share `share` of the variance lasts, the rest is of the day. Days that are missing are longer
gaps; nothing is filled in. With share 1 it is the AR(1) of the textbooks, with less it fades the
way an ARMA(1, 1) does. Owns this covariance: taking it out of a table of days (`whiten`, by Kalman
filter) and its sums. Pure.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Days = NDArray[np.int64]  # ordinals of local days, rising


def fresh(table: Floats, days: Days, rho: float) -> Floats:
    """What is new on each day where all of the noise lasts: an AR(1), days by columns."""
    kept = (rho ** np.diff(days))[:, None]
    later = (table[1:] - kept * table[:-1]) / np.sqrt(1 - kept**2)
    return np.concatenate([table[:1], later])


@dataclass(frozen=True, slots=True)
class Noise:
    """Several noises at once, each of variance 1: shares and rhos, of one length."""

    share: Floats
    rho: Floats

    def whiten(self, table: Floats, days: Days) -> tuple[Floats, Floats]:
        """What is new on each day under each noise, and the log determinant of each covariance.

        `table` is noises (or 1) by days by columns; so is the first result, its columns being of
        variance 1 where they were noise of variance 1.
        """
        news = np.empty((len(self.rho), *table.shape[1:]))
        expected = np.zeros((len(self.rho), table.shape[2]))
        volume, unsure = np.zeros(len(self.rho)), self.share
        gaps = np.diff(days, prepend=days[:1])
        for at, gap in enumerate(gaps):
            kept = self.rho**gap
            unsure = kept**2 * unsure + (1 - kept**2) * self.share
            varies = unsure + 1 - self.share
            expected *= kept[:, None]
            new = table[:, at] - expected
            news[:, at] = new / np.sqrt(varies)[:, None]
            volume += np.log(varies)
            expected += (unsure / varies)[:, None] * new
            unsure = unsure * (1 - self.share) / varies
        return news, volume

    def shared(self, days: Days, weights: Floats, other: Days) -> Floats:
        """The covariance of the noise on each of `days` with a weighted sum over other days.

        Noises by days; no day is in both. Once forwards and once backwards through all of them.
        """
        both = np.concatenate([days, other])
        order = np.argsort(both)
        added = np.concatenate([np.zeros(len(days)), weights])[order]
        reach = np.zeros((len(self.rho), len(both)))
        for way in (slice(None), slice(None, None, -1)):
            places, carry = order[way], np.zeros(len(self.rho))
            gaps = np.abs(np.diff(both[places], prepend=both[places[0]]))
            for place, gap, weight in zip(places, gaps, added[way], strict=True):
                carry *= self.rho**gap
                reach[:, place] += carry
                carry += weight
        shared: Floats = self.share[:, None] * reach[:, : len(days)]
        return shared

    def varies(self, days: Days, weights: Floats) -> Floats:
        """The variance of a weighted sum of the noise over days, for each noise."""
        carry, lasting = np.zeros(len(self.rho)), np.zeros(len(self.rho))
        gaps = np.diff(days, prepend=days[:1])
        for gap, weight in zip(gaps, weights, strict=True):
            carry *= self.rho**gap
            lasting += weight * (weight + 2 * carry)
            carry += weight
        varies: Floats = self.share * lasting + (1 - self.share) * float(weights @ weights)
        return varies
