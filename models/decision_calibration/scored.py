"""Labelled questions with the scores of their options, alone and as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.calibration import FloatArray
from models.decision_calibration.calibration import TypeCalibration
from models.decision_calibration.questions import QuestionKind
from models.decision_calibration.scoring import Scores

_MIN_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True)
class ScoredQuestion:
    """A labelled question with the scores of its options; `truth` is the index of the right one.

    `prior` are the scores without an input, None if they were not asked for. `task` names the task
    that it belongs to.
    """

    kind: QuestionKind
    scores: Scores
    truth: int
    prior: Scores | None = None
    task: str = ""


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The scores of questions of one type.

    `scores` and `prior` are [questions, most options], with -inf and 0 for options that a question
    does not have. `options` and `truth` are [questions]. `weights` are [questions] and sum to 1;
    every task has the same weight.
    """

    scores: FloatArray
    prior: FloatArray
    options: FloatArray
    truth: NDArray[np.intp]
    weights: FloatArray

    def loss(self, calibration: TypeCalibration) -> float:
        """Return the weighted mean of the negative log-probability of the right option, in nats."""
        logits = (self.scores - calibration.prior_weight * self.prior) / calibration.temperature
        logits[:, 0] += calibration.bias
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        right = weights[np.arange(len(self.truth)), self.truth] / weights.sum(axis=1)
        share = calibration.equal_share
        likelihoods = (1 - share) * right + share / self.options
        return float(-np.sum(self.weights * np.log(np.maximum(likelihoods, _MIN_PROBABILITY))))


def build_table(questions: Sequence[ScoredQuestion]) -> ScoreTable:
    """Return the scores of at least one question as arrays. A missing prior counts as 0."""
    most = max(len(one.scores) for one in questions)
    scores = np.full((len(questions), most), -np.inf)
    prior = np.zeros((len(questions), most))
    for row, one in enumerate(questions):
        scores[row, : len(one.scores)] = one.scores
        if one.prior is not None:
            prior[row, : len(one.prior)] = one.prior
    tasks = [one.task for one in questions]
    counts = {task: tasks.count(task) for task in set(tasks)}
    return ScoreTable(
        scores,
        prior,
        np.array([len(one.scores) for one in questions], dtype=np.float64),
        np.array([one.truth for one in questions], dtype=np.intp),
        np.array([1 / (len(counts) * counts[task]) for task in tasks]),
    )
