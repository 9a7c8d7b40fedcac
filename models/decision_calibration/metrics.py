"""How well calibrated answers to labelled questions are, and how often the likeliest is right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.calibration import FloatArray
from models.decision_calibration.calibration import TypeCalibration, probabilities
from models.decision_calibration.fitting import log_loss
from models.decision_calibration.questions import QuestionKind
from models.decision_calibration.scored import ScoredQuestion

_DRAWS, _SEED = 200, 1
_BINS, _MIN_PER_BIN = 10, 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """Figures of answered questions; the calibration error is that of the reported probability.

    That is the probability of `true` for predicates, and of the likeliest option for others, in up
    to ten bins with as many questions each, at least ten. `chance_error` is the mean calibration
    error if these probabilities were exactly right: what so few questions cannot tell from a
    perfect calibration. `corrected_error` is the root of the mean squared error less what chance
    adds to it (Kumar et al. 2019, Verified Uncertainty Calibration), 0 if chance explains all.
    """

    questions: int
    accuracy: float
    calibration_error: float
    chance_error: float
    corrected_error: float
    log_loss: float


def measure_reliability(
    questions: Sequence[ScoredQuestion], calibration: TypeCalibration
) -> Reliability:
    """Return the figures of questions of one type, at least one."""
    reported, came_true, right = [], [], []
    for question in questions:
        chances = probabilities(question.scores, calibration, question.prior)
        best = chances.index(max(chances))
        of = 0 if question.kind is QuestionKind.PREDICATE else best
        reported.append(chances[of])
        came_true.append(question.truth == of)
        right.append(question.truth == best)
    chances_reported, outcomes = np.array(reported), np.array(came_true, dtype=np.float64)
    return Reliability(
        len(questions),
        sum(right) / len(right),
        binned_error(chances_reported, outcomes),
        _chance_error(chances_reported),
        corrected_error(chances_reported, outcomes),
        log_loss(questions, calibration),
    )


def binned_error(reported: FloatArray, came_true: FloatArray) -> float:
    """Return the expected calibration error in bins of equal size; both are [questions]."""
    bins = _equal_bins(reported)
    gaps = [len(rows) * abs(np.mean(reported[rows] - came_true[rows])) for rows in bins]
    return float(sum(gaps) / len(reported))


def corrected_error(reported: FloatArray, came_true: FloatArray) -> float:
    """Return the root mean squared calibration error without what chance adds; both [questions]."""
    total = 0.0
    for rows in _equal_bins(reported):
        if len(rows) > 1:
            share = float(np.mean(came_true[rows]))
            gap = float(np.mean(reported[rows])) - share
            total += len(rows) * (gap**2 - share * (1 - share) / (len(rows) - 1))
    return math.sqrt(max(0.0, total / len(reported)))


def _equal_bins(reported: FloatArray) -> list[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Return the rows of each bin, by rising probability."""
    count = max(1, min(_BINS, len(reported) // _MIN_PER_BIN))
    return list(np.array_split(np.argsort(reported, kind="stable"), count))


def _chance_error(reported: FloatArray) -> float:
    """Return the mean calibration error of outcomes drawn with the reported probabilities."""
    generator = np.random.default_rng(_SEED)
    draws = generator.random((_DRAWS, len(reported))) < reported
    return float(np.mean([binned_error(reported, draw.astype(np.float64)) for draw in draws]))
