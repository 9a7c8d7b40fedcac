"""What a monitor finds, next to limits on each column by itself, at the same false alarm rate."""

from dataclasses import dataclass

import numpy as np

from models.monitoring.components import Components, Floats, Indices
from models.monitoring.data import MonitorData
from models.monitoring.fitting import FittedMonitor, fit_tails
from models.monitoring.shares import Share, estimate_shares
from models.monitoring.statistics import scale_ratios
from models.monitoring.tails import fit_tail
from models.monitoring.windows import cut_windows, number_stretches, steps_so_far, thin_out
from models.series.series import spread_over

# A simulated fault: one column is off by so many of its standard deviations.
SHIFT = 2.0
_MAX_SIMULATED = 2_000


@dataclass(frozen=True, slots=True)
class Detection:
    """The shares of faults that are found by the monitor and by limits on single columns.

    difference: of the two, positive where the monitor finds more. of: the number of faulty windows.
    """

    is_simulated: bool
    of: int
    monitor: Share
    columns: Share
    difference: Share


@dataclass(frozen=True, slots=True)
class ColumnLimits:
    """Limits on the number columns, in their standard deviations, as control charts have them."""

    numbers: int
    limit: float

    def exceeded(self, scores: Floats, components: Components) -> Floats:
        """Return which windows have a column beyond its limit in the last step."""
        return np.asarray(farthest(scores, components, self.numbers) > self.limit, dtype=float)


def farthest(scores: Floats, components: Components, numbers: int) -> Floats:
    """Return how far the farthest column is from its mean in the last step, [windows]."""
    deviations = scores[:, -1] @ components.loadings[:numbers].T
    return np.asarray(np.abs(deviations).max(axis=1))


def estimate_false_alarms(fitted: FittedMonitor, rate: float) -> Share:
    """Return the share of false alarms in each fold at a limit from the other folds."""
    of_window = np.repeat(
        np.arange(len(fitted.held_out)), [len(fold.ends) for fold in fitted.held_out]
    )
    flags = np.zeros(len(of_window))
    rows = int((fitted.plan.folds >= 0).sum())
    for fold in range(len(fitted.held_out)):
        others = fitted.ratios[of_window != fold]
        tail = fit_tails(others, fitted.scales, rows)[-1]
        flags[of_window == fold] = np.sqrt(fitted.ratios[of_window == fold, -1]) > tail.limit(rate)
    return estimate_shares(flags[:, np.newaxis], fitted.plan.clusters[fitted.ends])[0]


def evaluate_detection(data: MonitorData, fitted: FittedMonitor, rate: float) -> Detection:
    """Return what is found of the labelled faults, of simulated ones if there are none."""
    limits = fit_column_limits(data, fitted, rate)
    if data.is_fault.any():
        return _labelled(data, fitted, limits, rate)
    return _simulated(data, fitted, limits, rate)


def fit_column_limits(data: MonitorData, fitted: FittedMonitor, rate: float) -> ColumnLimits:
    """Return limits on single columns with the same share of false alarms."""
    numbers = len(data.inputs.numbers)
    distances = [farthest(fold.scores, fold.components, numbers) for fold in fitted.held_out]
    tail = fit_tail(np.concatenate(distances), data.normal_count)
    return ColumnLimits(numbers, tail.limit(rate))


def find_alarms(fitted: FittedMonitor, scores: Floats, rate: float) -> Floats:
    """Return which windows are alarms of the monitor, [windows]."""
    scale = max(at for at, steps in enumerate(fitted.scales) if steps <= scores.shape[1])
    ratios = scale_ratios(fitted.measure(scores), fitted.terms, len(fitted.scales))
    return np.asarray(np.sqrt(ratios[:, scale]) > fitted.tails[scale].limit(rate), dtype=float)


def _labelled(
    data: MonitorData, fitted: FittedMonitor, limits: ColumnLimits, rate: float
) -> Detection:
    """Return what is found of the labelled faults: none of their rows was fitted on."""
    ends = np.flatnonzero(data.is_fault)
    available = steps_so_far(data.series)[ends]
    found, chosen = [], []
    for position, steps in enumerate(fitted.scales):
        is_longest = position + 1 == len(fitted.scales)
        upper = np.inf if is_longest else fitted.scales[position + 1]
        of_scale = ends[(available >= steps) & (available < upper)]
        of_scale = thin_out(of_scale, steps, data.readings.shape[1])
        scores = fitted.components.scores(cut_windows(data.readings, of_scale, steps))
        by_monitor = find_alarms(fitted, scores, rate)
        found.append(np.stack([by_monitor, limits.exceeded(scores, fitted.components)], axis=1))
        chosen.append(of_scale)
    episodes = number_stretches(data.series, data.is_fault)[np.concatenate(chosen)]
    return _compare(np.concatenate(found), episodes, is_simulated=False)


def _simulated(
    data: MonitorData, fitted: FittedMonitor, limits: ColumnLimits, rate: float
) -> Detection:
    """Return what is found of held-out windows in which one column at a time is shifted."""
    numbers, found, chosen = len(data.inputs.numbers), [], []
    for fold in fitted.held_out:
        windows = spread_over(np.arange(len(fold.ends)), _MAX_SIMULATED // len(fitted.held_out))
        column = np.arange(len(windows)) % numbers
        sign = np.where(np.arange(len(windows)) // numbers % 2 == 0, 1.0, -1.0)
        shifts = SHIFT * sign[:, np.newaxis] * fold.components.loadings[column]
        scores = fold.scores[windows] + shifts[:, np.newaxis]
        by_monitor = find_alarms(fitted, scores, rate)
        found.append(np.stack([by_monitor, limits.exceeded(scores, fold.components)], axis=1))
        chosen.append(fold.ends[windows])
    return _compare(
        np.concatenate(found), fitted.plan.clusters[np.concatenate(chosen)], is_simulated=True
    )


def _compare(found: Floats, clusters: Indices, is_simulated: bool) -> Detection:
    """Return the shares of faults found, [windows, (monitor, columns)]."""
    difference = found[:, :1] - found[:, 1:]
    shares = estimate_shares(np.concatenate([found, difference], axis=1), clusters)
    return Detection(is_simulated, len(found), *shares)
