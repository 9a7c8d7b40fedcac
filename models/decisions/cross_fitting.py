"""Measure decisions on held-out rows with probabilities that did not see the row's machine.

Scores are of held-out rows already. Calibration and error distribution are fitted on these rows,
so for the measurement they are fitted again without each part of the machines.
"""

from collections.abc import Callable, Iterator

import numpy as np

from models.adaptation import DecisionCosts
from models.calibration import CalibrationFailed, fit_calibration
from models.decisions.comparison import compare_costs
from models.decisions.costs import Side
from models.decisions.decider import ClassDecider, LimitDecider
from models.decisions.error_distribution import fit_errors
from models.decisions.rule import Floats, Indices

_PARTS = 5
_SEED = 5

CalibrateScores = Callable[[Floats], Floats]
"""Returns probabilities [rows, classes] of scores [rows, classes]."""


def measure_class_costs(
    decider: ClassDecider,
    scores: Floats,
    truth: Indices,
    clusters: Indices,
    fallback: CalibrateScores,
) -> DecisionCosts | None:
    """Return the costs on held-out rows, None without costs.

    scores: [rows, classes]. clusters: the machine or block of time of each row. fallback: the
    calibration where one without a part of the rows cannot be fitted.
    """
    if not decider.has_costs:
        return None
    probabilities = np.empty_like(scores)
    for kept, left_out in _parts(clusters):
        calibrate = _calibration(scores[kept], truth[kept], fallback)
        probabilities[left_out] = calibrate(scores[left_out])
    events = np.array([cost.index for cost in decider.costs])
    occurred = truth[:, np.newaxis] == events
    return compare_costs(decider.event_probabilities(probabilities), occurred, decider.table)


def measure_limit_costs(
    decider: LimitDecider, predicted: Floats, truth: Floats, weights: Floats, clusters: Indices
) -> DecisionCosts | None:
    """Return the costs on held-out rows, None without costs. All arrays are [rows]."""
    if decider.costs is None:
        return None
    limit, side = decider.costs.limit, decider.costs.side
    below = np.empty(len(predicted))
    for kept, left_out in _parts(clusters):
        count = len(np.unique(clusters[kept]))
        errors = fit_errors(predicted[kept], truth[kept], weights[kept], count)
        below[left_out] = errors.below(predicted[left_out], limit)
    is_below = side is Side.BELOW
    beyond = below if is_below else 1.0 - below
    occurred = truth < limit if is_below else truth > limit
    return compare_costs(beyond[:, np.newaxis], occurred[:, np.newaxis], decider.table)


def _parts(clusters: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Yield the rows that are kept and left out, for each part of the clusters."""
    names = np.unique(clusters)
    order = np.random.default_rng(_SEED).permutation(len(names))
    part_of_row = (order % min(_PARTS, len(names)))[np.searchsorted(names, clusters)]
    for part in np.unique(part_of_row):
        yield np.flatnonzero(part_of_row != part), np.flatnonzero(part_of_row == part)


def _calibration(scores: Floats, truth: Indices, fallback: CalibrateScores) -> CalibrateScores:
    """Return the calibration of some rows; the fallback if they lack a class or information."""
    if len(np.unique(truth)) < scores.shape[1]:
        return fallback
    try:
        return fit_calibration(scores, truth).probabilities
    except CalibrationFailed:
        return fallback
