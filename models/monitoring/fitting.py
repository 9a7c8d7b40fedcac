"""Fit a monitor: components, what averaging makes quieter, limits from rows that were held out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm, t

from models.monitoring.components import RIDGE, Components, Floats, Indices, fit_components
from models.monitoring.data import MonitorData
from models.monitoring.folds import FoldPlan, plan_folds
from models.monitoring.statistics import Term, measure_terms, plan_terms, scale_ratios
from models.monitoring.tails import Tail, fit_tail
from models.monitoring.windows import (
    cut_windows,
    number_stretches,
    stretch_ends,
    thin_out,
)
from models.series.series import spread_over

WINDOW = 32
"""The most steps that are averaged, unless another number is stated."""

SHORT_WINDOW = 16
"""The same where stretches of normal operation are short."""

MIN_WINDOWS = 40
MIN_FOLDS = 3
# The part of the normal rows that must have a whole window before them, else it is a short one.
_LEAST_WITH_WINDOW = 2 / 3
_SCALE_FACTOR = 4
# Rows for each step of a window, from which on the leading components are averaged too. Slow
# changes of the process lie in them, and short files do not show how far these go.
_ROWS_PER_STEP = 100
# Averaging must halve the variance of a component, else it finds no smaller departures.
_MAX_VARIANCE_RATIO = 0.5
# Rows that are left out beside a block of time at most, so that enough are left to fit on.
_ROWS_PER_GAP = 20
# A column that hardly changes outside a held-out block has at least this part of its deviation.
_LEAST_SHARE_OF_SPREAD = 0.1
_MAX_FITTED_NUMBERS = 20_000_000
# The level at which Student's t replaces the normal distribution, and the largest factor.
_STUDENT_LEVEL = 0.995
_MAX_STUDENT = 100.0

ReportFold = Callable[[int, int], None]
"""Called with the number of evaluated folds and of all folds."""


@dataclass(frozen=True, slots=True)
class HeldOutFold:
    """Windows of one fold in the components of a fit without it.

    number: of the fold in the plan. ends: the row of each window's last step. scores: [windows,
    steps, components].
    """

    number: int
    components: Components
    ends: Indices
    scores: Floats


@dataclass(frozen=True, slots=True)
class FittedMonitor:
    """A monitor of all normal rows, with its folds.

    scales, weights, terms: see statistics.py. tails: the distribution of the score in held-out
    normal rows, by the largest scale that a call has steps for. ratios: the squared scores of the
    held-out windows, [windows, scales], in the order of the folds.
    """

    components: Components
    scales: tuple[int, ...]
    weights: Floats
    terms: tuple[Term, ...]
    tails: tuple[Tail, ...]
    plan: FoldPlan
    held_out: tuple[HeldOutFold, ...]
    ratios: Floats

    def measure(self, scores: Floats) -> Floats:
        """Return the statistics of windows, [windows, steps, components], in their units."""
        return measure_terms(scores, self.scales, self.weights, self.terms)

    @property
    def ends(self) -> Indices:
        """The row of each held-out window."""
        return np.concatenate([fold.ends for fold in self.held_out])


def fit_monitor(
    data: MonitorData, window: int | None, rate: float, report: ReportFold
) -> FittedMonitor:
    """Fit a monitor on the normal rows, with limits that a share `rate` of them exceeds.

    window: the most steps that are averaged, None to choose them.
    """
    gap = min(window or WINDOW, data.normal_count // _ROWS_PER_GAP)
    plan = plan_folds(data.series, data.is_normal, gap)
    stretches = number_stretches(data.series * (len(plan.numbers) + 1) + plan.folds, data.is_normal)
    scales = choose_scales(stretches, plan.folds, window or default_window(stretches))
    least_spread = _least_spread(data)
    held_out = []
    for number, fold in enumerate(plan.numbers, start=1):
        held_out.append(_hold_out(data, plan, stretches, fold, scales[-1], least_spread))
        report(number, len(plan.numbers))
    held = tuple(fold for fold in held_out if len(fold.ends))
    components = fit_components(_thinned(data, np.flatnonzero(data.is_normal)), least_spread)
    variances = _held_out_variances(held, scales)
    factors = _student_factors(data, plan, held, variances, scales)
    weights = _weigh(variances, factors, scales)
    weights[1:][_are_slow(variances)] = 0.0
    smooth = data.normal_count >= _ROWS_PER_STEP * scales[-1]
    terms = plan_terms(len(scales), components.leading, len(components.variances), smooth)
    terms = _with_units(terms, held, scales, weights, rate)
    ratios = np.concatenate(
        [
            scale_ratios(measure_terms(fold.scores, scales, weights, terms), terms, len(scales))
            for fold in held
        ]
    )
    return FittedMonitor(
        components,
        scales,
        weights,
        tuple(terms),
        fit_tails(ratios, scales, data.normal_count),
        plan,
        held,
        ratios,
    )


def default_window(stretches: Indices) -> int:
    """Return the most steps that are averaged: fewer where many rows lack so many before them."""
    usable = int((stretches >= 0).sum())
    enough = len(stretch_ends(stretches, WINDOW)) >= _LEAST_WITH_WINDOW * usable
    return WINDOW if enough else SHORT_WINDOW


def choose_scales(stretches: Indices, folds: Indices, window: int) -> tuple[int, ...]:
    """Return 1, powers of four and the window; a shorter window if stretches are short.

    Limits need windows of several folds: those of one fold cannot be told from what is held out.
    """
    steps = window
    while steps > 1 and not _has_windows(stretches, folds, steps):
        steps //= 2
    powers = (_SCALE_FACTOR**power for power in range(steps.bit_length()))
    return (*(one for one in powers if one < steps), steps)


def _has_windows(stretches: Indices, folds: Indices, steps: int) -> bool:
    """Return whether there are enough windows of so many steps, in enough folds."""
    ends = stretch_ends(stretches, steps)
    present = np.unique(folds[folds >= 0])
    enough = min(MIN_FOLDS, len(present))
    return len(ends) >= MIN_WINDOWS and len(np.unique(folds[ends])) >= enough


def fit_tails(ratios: Floats, scales: Sequence[int], rows: int) -> tuple[Tail, ...]:
    """Return the distribution of the scores by scale."""
    roots = np.sqrt(ratios)
    return tuple(fit_tail(roots[:, at], rows / steps) for at, steps in enumerate(scales))


def _hold_out(
    data: MonitorData,
    plan: FoldPlan,
    stretches: Indices,
    fold: int,
    steps: int,
    least_spread: Floats,
) -> HeldOutFold:
    """Fit components without a fold, and apply them to its windows."""
    components = fit_components(_thinned(data, plan.training(fold)), least_spread)
    ends = stretch_ends(np.where(plan.folds == fold, stretches, -1), steps)
    ends = thin_out(ends, steps, data.readings.shape[1])
    scores = components.scores(cut_windows(data.readings, ends, steps))
    return HeldOutFold(fold, components, ends, scores)


def _thinned(data: MonitorData, rows: Indices) -> Floats:
    """Return as many of the rows, evenly spread, as fit into the memory of a training."""
    most = _MAX_FITTED_NUMBERS // data.readings.shape[1]
    return np.asarray(data.readings[spread_over(rows, most)])


def _least_spread(data: MonitorData) -> Floats:
    """Return the least deviation of each feature in any fit."""
    of_all = np.nanstd(_thinned(data, np.flatnonzero(data.is_normal)), axis=0)
    return np.asarray(np.maximum(_LEAST_SHARE_OF_SPREAD * of_all, data.inputs.least_spread))


def _held_out_variances(held: Sequence[HeldOutFold], scales: Sequence[int]) -> Floats:
    """Return the mean squares of the components' means by scale, [scales, components]."""
    windows = sum(len(fold.ends) for fold in held)
    return np.stack(
        [
            sum((fold.scores[:, -steps:].mean(axis=1) ** 2).sum(axis=0) for fold in held) / windows
            for steps in scales
        ]
    )


def _student_factors(
    data: MonitorData,
    plan: FoldPlan,
    held: Sequence[HeldOutFold],
    variances: Floats,
    scales: Sequence[int],
) -> Floats:
    """Return by what variances are raised for components that change slowly.

    The means of a machine or block show how many independent values there are; of few ones, the
    variance may be far too small, as in Student's t.
    """
    total, rows = np.zeros(variances.shape[1]), 0
    for fold in held:
        present, of_window = np.unique(data.series[fold.ends], return_inverse=True)
        sums = np.zeros((len(present), variances.shape[1]))
        np.add.at(sums, of_window, fold.scores[:, -1])
        means = sums / np.bincount(of_window)[:, np.newaxis]
        counts = np.bincount(data.series[plan.folds == fold.number])[present]
        total += ((counts[:, np.newaxis] * means) ** 2).sum(axis=0)
        rows += int(counts.sum())
    long_run = np.maximum(total / rows, 1e-12)
    steps = np.array(scales, dtype=np.float64)[:, np.newaxis]
    independent = np.clip(rows * variances / long_run, 2.0, np.maximum(rows / steps, 2.0))
    factors = (t.ppf(_STUDENT_LEVEL, independent - 1.0) / norm.ppf(_STUDENT_LEVEL)) ** 2
    return np.asarray(np.minimum(factors, _MAX_STUDENT))


def _weigh(variances: Floats, factors: Floats, scales: Sequence[int]) -> Floats:
    """Return the weights of squared means, [scales, components]."""
    ridge = RIDGE / np.array(scales, dtype=np.float64)[:, np.newaxis]
    return np.asarray(1.0 / (variances * factors + ridge))


def _are_slow(variances: Floats) -> np.ndarray:
    """Return of which components averaging makes no less than half of the variance."""
    return np.asarray(variances[1:] > _MAX_VARIANCE_RATIO * variances[0])


def _with_units(
    terms: Sequence[Term],
    held: Sequence[HeldOutFold],
    scales: Sequence[int],
    weights: Floats,
    rate: float,
) -> list[Term]:
    """Return the terms that vary, each in units of its limit.

    The limit is that of a scaled chi-square distribution with the same mean and variance (Box
    1954). A term whose components are all slow is left out.
    """
    measured = np.concatenate([measure_terms(fold.scores, scales, weights, terms) for fold in held])
    mean, variance = measured.mean(axis=0), measured.var(axis=0)
    kept = []
    for position, term in enumerate(terms):
        if variance[position] > 0:
            scale = variance[position] / (2 * mean[position])
            unit = scale * chi2.ppf(1.0 - rate, mean[position] / scale)
            kept.append(Term(term.scale, term.squares, term.start, term.stop, float(unit)))
    return kept
