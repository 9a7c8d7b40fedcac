"""Choose the number of trees, and whether they see pairs of columns, within the training rows.

Held-out rows must not choose the model that they score: each setting is compared on rows that are
held out from the training rows of a split.
"""

from dataclasses import dataclass

import msgspec
import numpy as np

from models.tabular.boosting import Stopping, TrainingSet, find_rounds
from models.tabular.encoding import RowEncoding
from models.tabular.pair_screening import screen_pairs
from models.tabular.splits import FOLDS, Split, SplitKind, SplitPlan

# Splits within which settings are chosen, the last ones; of large files, one is enough.
_SPLITS, _SPLITS_OF_LARGE_FILES = 3, 1
_ROWS_OF_LARGE_FILES = 20_000
# Pairs are used if they make the loss smaller by this part: fewer inputs are easier to explain.
_MIN_GAIN = 0.01


@dataclass(frozen=True, slots=True)
class Settings:
    """The number of rounds, and whether the trees see pairs of columns beside the columns."""

    rounds: int
    with_pairs: bool


def choose_settings(
    training: TrainingSet, encoding: RowEncoding, plan: SplitPlan, threads: int
) -> Settings:
    """Return the settings with the lowest loss; the rounds are the median over the splits."""
    is_large = len(training.values) > _ROWS_OF_LARGE_FILES
    count = _SPLITS_OF_LARGE_FILES if is_large else _SPLITS
    last = range(len(plan.splits) - min(count, len(plan.splits)), len(plan.splits))
    inner = [inner_split(plan, position) for position in last]
    alone = [_stop(training, encoding, split, threads) for split in inner]
    beside = [
        _stop(training, _with_pairs(training, encoding, split, threads), split, threads)
        for split in inner
    ]
    with_pairs = _loss(beside) < (1 - _MIN_GAIN) * _loss(alone)
    chosen = beside if with_pairs else alone
    return Settings(int(np.median([one.rounds for one in chosen])), with_pairs)


def _with_pairs(
    training: TrainingSet, encoding: RowEncoding, split: Split, threads: int
) -> RowEncoding:
    """Return the encoding with the pairs that the training rows of a split choose."""
    pairs = screen_pairs(training.take(split.training), encoding, threads)
    return msgspec.structs.replace(encoding, pairs=pairs)


def _stop(training: TrainingSet, encoding: RowEncoding, split: Split, threads: int) -> Stopping:
    """Return the best number of rounds on the rows that a split holds out."""
    rows = training.with_features(encoding.add_pairs(training.features))
    return find_rounds(rows.take(split.training), rows.take(split.held_out), threads)


def _loss(stopped: list[Stopping]) -> float:
    """Return the mean loss over splits."""
    return float(np.mean([one.loss for one in stopped]))


def inner_split(plan: SplitPlan, position: int) -> Split:
    """Return a split of the training rows of a split.

    It holds out the last fifth of their machines or of their time. Rows that are held out at random
    are held out by another fold: many files are sorted by class, and the last rows have only one.
    """
    split = plan.splits[position]
    rows = split.training
    if plan.kind is SplitKind.BY_ROW:
        is_held_out = np.isin(rows, plan.splits[position - 1].held_out)
    else:
        present = np.unique(plan.clusters[rows])
        held_out = present[-max(1, len(present) // FOLDS) :] if len(present) > 1 else present
        is_held_out = np.isin(plan.clusters[rows], held_out)
    if is_held_out.all() or not is_held_out.any():
        return Split(rows, rows)
    return Split(rows[~is_held_out], rows[is_held_out])
