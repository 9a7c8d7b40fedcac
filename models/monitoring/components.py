"""Principal components of normal operation: standardized readings, missing ones estimated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]

# Added to the variance of each component, in variances of a column. Without it, columns that depend
# on each other exactly would make a rounding error an alarm.
RIDGE = 0.003


@dataclass(frozen=True, slots=True)
class Components:
    """Mean and deviation of each feature, [features], and their components by falling variance.

    loadings: [features, components], as many components as features. variances: of the components
    in the fitted rows, [components], in variances of a feature.
    """

    centre: Floats
    spread: Floats
    loadings: Floats
    variances: Floats

    @property
    def leading(self) -> int:
        """The number of components that vary at least as much as one feature (Kaiser 1960)."""
        return max(1, int((self.variances >= 1.0).sum()))

    def scores(self, readings: Floats) -> Floats:
        """Return the components of readings, [..., features] to [..., components]."""
        flat = readings.reshape(-1, readings.shape[-1])
        found = self.standardize(flat) @ self.loadings
        return np.asarray(found.reshape(*readings.shape[:-1], self.loadings.shape[1]))

    def standardize(self, readings: Floats) -> Floats:
        """Return readings, [rows, features], in deviations; a missing one as the others suggest."""
        return self._estimate_missing((readings - self.centre) / self.spread)

    def _estimate_missing(self, deviations: Floats) -> Floats:
        """Return deviations with missing ones replaced by their conditional means."""
        missing = ~np.isfinite(deviations)
        if not missing.any():
            return deviations
        filled = np.where(missing, 0.0, deviations)
        precision = (self.loadings / (self.variances + RIDGE)) @ self.loadings.T
        rows = np.flatnonzero(missing.any(axis=1))
        patterns, of_row = np.unique(missing[rows], axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            chosen = rows[of_row.reshape(-1) == number]
            known = filled[np.ix_(chosen, np.flatnonzero(~pattern))]
            coupling = precision[np.ix_(pattern, ~pattern)] @ known.T
            means = -np.linalg.solve(precision[np.ix_(pattern, pattern)], coupling)
            filled[np.ix_(chosen, np.flatnonzero(pattern))] = means.T
        return filled


def fit_components(readings: Floats, least_spread: Floats) -> Components:
    """Fit components on rows of normal operation, [rows, features], NaN where missing.

    least_spread: the least deviation of each feature, in its own numbers. A file with missing
    readings is fitted twice: first with the means in their places.
    """
    present = np.isfinite(readings)
    counts = np.maximum(present.sum(axis=0), 1)
    is_absent = ~present.any(axis=0)
    centre = np.where(present, readings, 0.0).sum(axis=0) / counts
    squares = np.where(present, readings - centre, 0.0) ** 2
    spread = np.maximum(np.sqrt(squares.sum(axis=0) / counts), least_spread)
    # A column without a value says nothing of rows in which it has one.
    spread = np.where(is_absent, np.inf, spread)
    deviations = np.where(present, (readings - centre) / spread, 0.0)
    found = _decompose(deviations, centre, spread)
    return found if present.all() else _decompose(found.standardize(readings), centre, spread)


def _decompose(deviations: Floats, centre: Floats, spread: Floats) -> Components:
    """Return the components of standardized rows."""
    values, vectors = np.linalg.eigh(deviations.T @ deviations / len(deviations))
    order = np.argsort(-values)
    return Components(centre, spread, vectors[:, order], np.maximum(values[order], 0.0))
