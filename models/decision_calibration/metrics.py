"""How well calibrated answers to labelled questions are, and how often the likeliest is right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.calibration import expected_calibration_error
from models.decision_calibration.calibration import TypeCalibration, probabilities
from models.decision_calibration.fitting import ScoredQuestion, log_loss
from models.decision_calibration.questions import QuestionKind


@dataclass(frozen=True, slots=True)
class Reliability:
    """Figures of answered questions; the calibration error is that of the reported probability.

    That is the probability of `true` for predicates, and of the likeliest option for others, in ten
    bins of equal width.
    """

    questions: int
    accuracy: float
    calibration_error: float
    log_loss: float


def measure_reliability(
    questions: Sequence[ScoredQuestion], calibration: TypeCalibration
) -> Reliability:
    """Return the figures of questions of one type, at least one."""
    reported, came_true, right = [], [], []
    for question in questions:
        chances = probabilities(question.scores, calibration)
        best = chances.index(max(chances))
        of = 0 if question.kind is QuestionKind.PREDICATE else best
        reported.append(chances[of])
        came_true.append(question.truth == of)
        right.append(question.truth == best)
    error = expected_calibration_error(np.array(reported), np.array(came_true, dtype=np.float64))
    loss = log_loss(questions, calibration)
    return Reliability(len(questions), sum(right) / len(right), error, loss)
