"""Splits of rows for evaluation: repeated, by machine, or in the order of time.

Rows of one machine resemble each other, and so do neighbours in time: a random split would score a
model by rows that it has nearly seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models.tabular.data import Goal, Indices, TabularData, row_keys

FOLDS = 5
MIN_MACHINES = 3
# Repetitions of the random splits: the fewer machines, the more the score depends on the draw.
_MAX_REPETITIONS = 4
_ROWS_PER_REPETITION = 20_000
# Groups of the same inputs are held out together if there are so many, in parts of the rows.
_MIN_GROUP_SHARE = 0.25


class SplitKind(StrEnum):
    """How rows are held out."""

    BY_MACHINE = "by machine"
    BY_TIME = "by time"
    BY_ROW = "by row"


@dataclass(frozen=True, slots=True)
class Split:
    """The rows that a model is fitted on, and those that it is evaluated on."""

    training: Indices
    held_out: Indices


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """All splits of an evaluation.

    clusters: the machine, block of time or row to which each row belongs; the score's uncertainty
    is that of clusters, not of rows.
    """

    kind: SplitKind
    splits: tuple[Split, ...]
    clusters: Indices


def plan_splits(data: TabularData, seed: int = 7) -> SplitPlan:
    """Return the splits that suit the rows: by machine, else by time, else by row."""
    machines = data.machines
    if machines is not None and len(np.unique(machines)) >= MIN_MACHINES:
        return _by_machine(machines, _repetitions(len(data)), seed)
    if data.times is not None:
        return _by_time(data.times, data)
    return _by_row(data, _repetitions(len(data)), seed)


def _repetitions(rows: int) -> int:
    """Return how often the rows are split: less often if there are many."""
    return max(1, min(_MAX_REPETITIONS, _ROWS_PER_REPETITION // max(1, rows)))


def _by_machine(machines: Indices, repetitions: int, seed: int) -> SplitPlan:
    """Hold out whole machines, in folds of about as many rows."""
    sizes = np.bincount(machines)
    folds = min(FOLDS, len(sizes))
    generator = np.random.default_rng(seed)
    if folds == len(sizes):
        repetitions = 1  # each machine is a fold: all repetitions would be the same
    splits: list[Split] = []
    for _ in range(repetitions):
        fold_of_machine = _balanced_folds(sizes, folds, generator)
        splits.extend(_fold_splits(fold_of_machine[machines], folds))
    return SplitPlan(SplitKind.BY_MACHINE, tuple(splits), machines)


def _balanced_folds(sizes: Indices, folds: int, generator: np.random.Generator) -> Indices:
    """Assign machines to folds at random, each to the fold with the fewest rows so far."""
    assigned = np.zeros(len(sizes), dtype=np.intp)
    filled = np.zeros(folds)
    for machine in generator.permutation(len(sizes)):
        fold = int(np.argmin(filled + generator.random(folds) * 1e-3))
        assigned[machine] = fold
        filled[fold] += sizes[machine]
    return assigned


def _by_time(times: Sequence[float] | np.ndarray, data: TabularData) -> SplitPlan:
    """Hold out each later block of time from a model of the blocks before it."""
    order = np.argsort(np.asarray(times), kind="stable")
    blocks = _numbered(order, FOLDS + 1, data)
    splits = [
        Split(np.flatnonzero(blocks < number), np.flatnonzero(blocks == number))
        for number in range(1, FOLDS + 1)
    ]
    # Finer blocks than the splits: neighbours in time belong together.
    clusters = _numbered(order, min(len(data), 10 * FOLDS), data)
    return SplitPlan(SplitKind.BY_TIME, tuple(splits), clusters)


def _numbered(order: Indices, count: int, data: TabularData) -> Indices:
    """Return the number of each row's block, of so many of equal size; copies are in one block."""
    numbers = np.empty(len(order), dtype=np.intp)
    for number, rows in enumerate(np.array_split(order, count)):
        numbers[rows] = number
    return numbers if data.copies is None else numbers[data.copies]


def _by_row(data: TabularData, repetitions: int, seed: int) -> SplitPlan:
    """Hold out rows at random, each class in equal shares, with the rows of the same inputs."""
    generator = np.random.default_rng(seed)
    is_class = data.target.goal is Goal.CLASS
    strata = data.target.indices if is_class else np.zeros(len(data), dtype=np.intp)
    first = _first_of_group(data)
    leaders = np.unique(first)
    splits: list[Split] = []
    for _ in range(repetitions):
        folds = np.empty(len(data), dtype=np.intp)
        for stratum in np.unique(strata[leaders]):
            rows = generator.permutation(leaders[strata[leaders] == stratum])
            folds[rows] = np.arange(len(rows)) % FOLDS
        splits.extend(_fold_splits(folds[first], FOLDS))
    return SplitPlan(SplitKind.BY_ROW, tuple(splits), first)


def _first_of_group(data: TabularData) -> Indices:
    """Return the first row of the group with which each row is held out: itself without copies.

    Of copies, the rows of the same inputs are together: those with another target would otherwise
    be all that a model has seen of these inputs. If inputs have few values, only the copies are.
    """
    if data.copies is None:
        return np.arange(len(data), dtype=np.intp)
    positions: dict[bytes, int] = {}
    keys = row_keys(data)
    first = [positions.setdefault(key, position) for position, key in enumerate(keys)]
    has_many = len(positions) >= _MIN_GROUP_SHARE * len(data)
    return np.array(first, dtype=np.intp) if has_many else data.copies


def _fold_splits(folds: Indices, count: int) -> list[Split]:
    """Return one split per fold: its rows are held out."""
    return [
        Split(np.flatnonzero(folds != number), np.flatnonzero(folds == number))
        for number in range(count)
        if np.any(folds == number)
    ]
