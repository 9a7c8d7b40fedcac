"""How well calibrated answers to labelled questions are, and how often the likeliest is right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.calibration import FloatArray, expected_calibration_error
from models.decision_calibration.calibration import TypeCalibration, probabilities
from models.decision_calibration.fitting import ScoredQuestion, log_loss
from models.decision_calibration.questions import QuestionKind

_DRAWS, _SEED = 200, 1


@dataclass(frozen=True, slots=True)
class Reliability:
    """Figures of answered questions; the calibration error is that of the reported probability.

    That is the probability of `true` for predicates, and of the likeliest option for others, in ten
    bins of equal width. `chance_error` is the mean calibration error if these probabilities were
    exactly right: what so few questions cannot tell from a perfect calibration.
    """

    questions: int
    accuracy: float
    calibration_error: float
    chance_error: float
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
    chances_reported = np.array(reported)
    error = expected_calibration_error(chances_reported, np.array(came_true, dtype=np.float64))
    return Reliability(
        len(questions),
        sum(right) / len(right),
        error,
        _chance_error(chances_reported),
        log_loss(questions, calibration),
    )


def _chance_error(reported: FloatArray) -> float:
    """Return the mean calibration error of outcomes drawn with the reported probabilities."""
    generator = np.random.default_rng(_SEED)
    draws = generator.random((_DRAWS, len(reported))) < reported
    errors = [expected_calibration_error(reported, draw.astype(np.float64)) for draw in draws]
    return float(np.mean(errors))
