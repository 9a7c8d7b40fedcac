"""Fit the calibration of one type of question to labelled ones, by maximum likelihood.

Guo et al. 2017, On Calibration of Modern Neural Networks (temperature scaling); Platt 1999 for the
bias of predicates, Zhao et al. 2021 for the weight of the prior.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.decision_calibration.calibration import TypeCalibration, probabilities
from models.decision_calibration.questions import QuestionKind
from models.decision_calibration.scoring import Scores

# Scores that separate the labelled questions completely would otherwise have no finite optimum.
_MIN_TEMPERATURE, _MAX_TEMPERATURE = 0.05, 100.0
_MAX_BIAS = 10.0
_MIN_PROBABILITY = 1e-12
MIN_PRIOR_WEIGHT = 0.1


@dataclass(frozen=True, slots=True)
class ScoredQuestion:
    """A labelled question with the scores of its options; `truth` is the index of the right one.

    `prior` are the scores without an input, None if they were not asked for.
    """

    kind: QuestionKind
    scores: Scores
    truth: int
    prior: Scores | None = None


class TooFewQuestions(ValueError):
    """There are too few labelled questions of a type to fit its calibration."""


def fit_type(questions: Sequence[ScoredQuestion], minimum: int = 20) -> TypeCalibration:
    """Return the calibration of one type of question. Raises TooFewQuestions.

    All questions have the same type. Only predicates get a bias: their first option always means
    the same, while the options of choices differ from question to question.
    """
    if len(questions) < minimum:
        raise TooFewQuestions(f"{len(questions)} questions of one type; at least {minimum} needed.")
    has_bias = questions[0].kind is QuestionKind.PREDICATE
    has_prior = all(question.prior is not None for question in questions)
    bounds = [
        (math.log(_MIN_TEMPERATURE), math.log(_MAX_TEMPERATURE)),
        (-_MAX_BIAS, _MAX_BIAS) if has_bias else (0.0, 0.0),
        (0.0, 1.0) if has_prior else (0.0, 0.0),
    ]
    fitted = minimize(_loss, np.zeros(3), (questions,), method="L-BFGS-B", bounds=bounds)
    found = _calibration(fitted.x, len(questions))
    if found.prior_weight >= MIN_PRIOR_WEIGHT or not has_prior:
        return found
    # Too little to be worth two more prompts per question: fit again without it.
    return fit_type([replace(question, prior=None) for question in questions], minimum)


def log_loss(questions: Sequence[ScoredQuestion], calibration: TypeCalibration) -> float:
    """Return the mean negative log-probability of the right option, in nats."""
    likelihoods = (
        probabilities(one.scores, calibration, one.prior)[one.truth] for one in questions
    )
    logs = [math.log(max(likelihood, _MIN_PROBABILITY)) for likelihood in likelihoods]
    return -sum(logs) / len(logs)


def _loss(parameters: NDArray[np.float64], questions: Sequence[ScoredQuestion]) -> float:
    """Return the log loss with these parameters: log temperature, bias, prior weight."""
    return log_loss(questions, _calibration(parameters, 0))


def _calibration(parameters: NDArray[np.float64], count: int) -> TypeCalibration:
    """Return the calibration with these parameters."""
    log_temperature, bias, prior_weight = (float(value) for value in parameters)
    return TypeCalibration(math.exp(log_temperature), bias, count, prior_weight)
