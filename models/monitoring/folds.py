"""Which normal rows are held out together: those of a machine, or a block of time."""

from dataclasses import dataclass

import numpy as np

from models.monitoring.components import Flags, Indices

FOLDS = 5
MIN_MACHINES = 3
# Finer blocks of time than the folds, by which uncertainty is computed.
_CLUSTERS = 50


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """The fold of each row, -1 where it is not normal, and its machine or fine block of time.

    by_machine: whether whole machines are held out. gap: rows beside a held-out block that are not
    fitted on, as they resemble it.
    """

    folds: Indices
    clusters: Indices
    by_machine: bool
    gap: int

    @property
    def numbers(self) -> list[int]:
        """The numbers of the folds."""
        return sorted(set(self.folds[self.folds >= 0].tolist()))

    @property
    def description(self) -> str:
        """Return how rows are held out, in words."""
        return "by machine" if self.by_machine else "by time"

    def training(self, fold: int) -> Indices:
        """Return the rows that are fitted on while a fold is held out."""
        usable = (self.folds >= 0) & (self.folds != fold)
        if not self.by_machine:
            held = np.flatnonzero(self.folds == fold)
            usable[max(0, held[0] - self.gap) : held[-1] + self.gap + 1] = False
        return np.flatnonzero(usable)


def plan_folds(machines: Indices, is_normal: Flags, gap: int, seed: int = 7) -> FoldPlan:
    """Return the folds of rows, which are in the order of their machines and times."""
    rows = np.flatnonzero(is_normal)
    present = np.unique(machines[rows])
    folds, clusters = np.full(len(machines), -1), np.full(len(machines), -1)
    if len(present) >= MIN_MACHINES:
        order = np.random.default_rng(seed).permutation(len(present))
        of_machine = np.empty(len(present), dtype=np.intp)
        of_machine[order] = np.arange(len(present)) % min(FOLDS, len(present))
        folds[rows] = of_machine[np.searchsorted(present, machines[rows])]
        clusters[rows] = machines[rows]
        return FoldPlan(folds, clusters, True, gap)
    place = np.arange(len(rows))
    folds[rows] = place * FOLDS // len(rows)
    clusters[rows] = place * min(_CLUSTERS, len(rows)) // len(rows)
    return FoldPlan(folds, clusters, False, gap)
