"""Choose by what a remaining life is told, on machines within the training rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.series.life.model import LEAST_OFFSET, LifeSettings, fit_model
from models.series.life.rows import LifeRows
from models.series.series import Floats
from models.tabular.splits import Split, SplitPlan

# Caps in parts of the median life: a new machine shows no wear yet, so no column tells apart the
# lives that are longer. The first one is kept unless another explains so much more: what five
# machines explain varies by chance, and a cap that varies with it would mislead.
CAP_SHARES = (0.6, 0.4, 0.8)
_MIN_CAP_GAIN = 0.1
# With fewer machines, a life is told from the index alone and from its course: five that resemble
# each other explain more of each other by the columns, and less of all others.
_MACHINES_FOR_CHOICE = 10
# Of fewer, ages and beginnings differ by chance: with 10 engines errors grew, with 20 they fell.
_MACHINES_FOR_HISTORY = 20
# Another choice must explain so much more.
_MIN_CHOICE_GAIN = 0.003
# More rows than these at the highest life: the file's lives are capped already.
_PLATEAU_SHARE = 0.05
# Rows that settings are chosen by, over all fits: fewer fits for more rows.
_ROWS_OF_CHOICE = 20_000
_MAX_CHOICE_FITS = 12
# A network takes seconds to fit. Within a split there are a third fewer machines, and of few ages
# tell less: histories of all machines may explain more although they explain a bit less there.
_MAX_HISTORY_FITS = 4
_MAX_HISTORY_LOSS = 0.03


def choose_settings(
    rows: LifeRows, plan: SplitPlan, cap: float | None, threads: int
) -> LifeSettings:
    """Choose cap, features and course by machines within the training rows of the last splits.

    Held-out rows must not choose the model that they score.
    """
    splits = _inner_splits(rows, plan)
    highest = float(rows.life.max())
    if cap is None and np.mean(rows.life == highest) > _PLATEAU_SHARE:
        cap = highest
    if cap is None:
        cap = _choose_cap(rows, splits, threads)
    index = LifeSettings(min(cap, highest), False)
    if len(np.unique(rows.machines)) < _MACHINES_FOR_CHOICE:
        return replace(index, least_offset=LEAST_OFFSET)
    columns = replace(index, with_columns=True)
    candidates = (index, columns, replace(columns, with_course=False))
    explained = [_explained(rows, splits, one, threads) for one in candidates]
    best = int(np.argmax(explained))
    return candidates[best] if explained[best] - explained[0] > _MIN_CHOICE_GAIN else index


def choose_history(
    rows: LifeRows, plan: SplitPlan, settings: LifeSettings, threads: int
) -> LifeSettings | None:
    """Return the settings of a model of complete histories; None if it explains less."""
    few = len(np.unique(rows.machines)) < _MACHINES_FOR_HISTORY
    if rows.start is None or few:
        return None
    of_history = LifeSettings(settings.cap, True, with_course=False, with_history=True)
    splits = _inner_splits(rows, plan)[:_MAX_HISTORY_FITS]
    before, after = (_explained(rows, splits, one, threads) for one in (settings, of_history))
    return of_history if after - before > -_MAX_HISTORY_LOSS else None


def _choose_cap(rows: LifeRows, splits: Sequence[Split], threads: int) -> float:
    """Return the cap below which the columns tell lives apart."""
    median = float(np.median(_longest_lives(rows)))
    explained = [
        _explained(rows, splits, LifeSettings(share * median, False), threads)
        for share in CAP_SHARES
    ]
    best = int(np.argmax(explained))
    share = CAP_SHARES[best if explained[best] - explained[0] > _MIN_CAP_GAIN else 0]
    return _round_to_two_digits(share * median)


def _inner_splits(rows: LifeRows, plan: SplitPlan) -> Sequence[Split]:
    """Return splits that leave one machine, or a group, out of the training rows of a split."""
    fits = int(np.clip(_ROWS_OF_CHOICE // max(1, len(rows)), 2, _MAX_CHOICE_FITS))
    splits: list[Split] = []
    for split in plan.splits[-3:]:
        machines = rows.machines[split.training]
        for group in np.array_split(np.unique(machines), min(4, len(np.unique(machines)))):
            is_held_out = np.isin(machines, group)
            splits.append(Split(split.training[~is_held_out], split.training[is_held_out]))
    return splits[:: max(1, len(splits) // fits)][:fits]


def _explained(
    rows: LifeRows, splits: Sequence[Split], settings: LifeSettings, threads: int
) -> float:
    """Return which share of the variance of capped lives is explained on left-out machines."""
    usable = rows.usable(settings.cap)
    errors, truths = [], []
    for split in splits:
        training = np.intersect1d(split.training, usable)
        held_out = np.intersect1d(split.held_out, usable)
        if not len(training) or not len(held_out):
            continue
        model = fit_model(rows, training, settings, threads)
        truth = np.minimum(rows.life[held_out], settings.cap)
        errors.append(model.predict(rows, held_out) - truth)
        truths.append(truth)
    variance = float(np.var(np.concatenate(truths))) if truths else 0.0
    return 1.0 - float(np.mean(np.concatenate(errors) ** 2)) / variance if variance else 0.0


def _longest_lives(rows: LifeRows) -> Floats:
    """Return the longest life of each machine."""
    longest = np.full(int(rows.machines.max()) + 1, -np.inf)
    np.maximum.at(longest, rows.machines, rows.life)
    return np.asarray(longest[np.isfinite(longest)])


def _round_to_two_digits(value: float) -> float:
    """Return a number rounded to two significant digits."""
    return float(f"{value:.2g}")
