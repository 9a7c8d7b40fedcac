"""Merge readings into those that are stored: new ones, duplicates and revisions.

One rule for all sources: a reading with the time, value and quality of a stored one is a duplicate
and ignored; one with another value or quality replaces the stored one and is marked as revised.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.plant.readings.values import Flags, Series, concatenate


@dataclass(frozen=True, slots=True)
class MergeResult:
    """Readings to store, ordered by time, and how many were new, duplicate and revised."""

    to_store: Series
    new: int
    duplicates: int
    revised: int


def in_order(series: Series) -> Series:
    """Return the readings ordered by time; of several with one time, the last one given counts."""
    steps = np.diff(series.times)
    if (steps > 0).all():
        return series
    ordered = series[np.argsort(series.times, kind="stable")]
    is_last = np.append(np.diff(ordered.times) > 0, True)
    return ordered[is_last]


def merge(parts: Sequence[Series]) -> Series:
    """Return the readings of all parts ordered by time; later parts replace earlier ones."""
    return in_order(concatenate(parts))


def compare(incoming: Series, stored: Series) -> MergeResult:
    """Return what to store of ordered readings beside ordered stored ones."""
    if not len(stored) or not len(incoming):
        return MergeResult(incoming, len(incoming), 0, 0)
    positions = np.searchsorted(stored.times, incoming.times)
    positions[positions == len(stored)] = 0
    is_known = stored.times[positions] == incoming.times
    is_same = is_known & _equal(incoming, stored[positions])
    is_revised = is_known & ~is_same
    changed = Series(incoming.times, incoming.values, incoming.statuses, is_revised)
    known, same = int(is_known.sum()), int(is_same.sum())
    return MergeResult(changed[~is_same], len(incoming) - known, same, known - same)


def _equal(first: Series, second: Series) -> Flags:
    """Return which readings have the same value, or none, and the same status."""
    both_missing = np.isnan(first.values) & np.isnan(second.values)
    is_equal: Flags = ((first.values == second.values) | both_missing) & (
        first.statuses == second.statuses
    )
    return is_equal
