"""Fit the calibration of one type of question to labelled ones, by maximum likelihood.

Guo et al. 2017, On Calibration of Modern Neural Networks (temperature scaling); Platt 1999 for the
bias of predicates, Zhao et al. 2021 for the weight of the prior. Which parameters a calibration has
is decided by the loss on tasks that it was not fitted on: it serves questions of unknown tasks.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.decision_calibration.calibration import TypeCalibration
from models.decision_calibration.questions import QuestionKind
from models.decision_calibration.scored import ScoredQuestion, build_table

# Scores that separate the labelled questions completely would otherwise have no finite optimum.
_MIN_TEMPERATURE, _MAX_TEMPERATURE = 0.05, 100.0
_MAX_BIAS, _MAX_SHARE = 10.0, 0.98
_START = (0.0, 0.0, 0.0, 0.02)
# Parts of the questions of a single task that take turns at being held out.
_FOLDS = 5
# By how many nats a parameter must lower the loss; the prior also costs two prompts per question.
_GAIN, _PRIOR_GAIN = 0.001, 0.005


@dataclass(frozen=True, slots=True)
class _Form:
    """The parameters that a calibration has besides its temperature."""

    has_bias: bool
    has_prior: bool
    has_share: bool

    @property
    def required_gain(self) -> float:
        """By how much the form must be better than a temperature alone, in nats."""
        return _GAIN * (self.has_bias + self.has_share) + _PRIOR_GAIN * self.has_prior


class TooFewQuestions(ValueError):
    """There are too few labelled questions of a type to fit its calibration."""


def fit_type(questions: Sequence[ScoredQuestion], minimum: int = 20) -> TypeCalibration:
    """Return the calibration of one type of question. Raises TooFewQuestions.

    All questions have the same type, and every task the same weight. Only predicates get a bias:
    their first option always means the same, while the options of choices differ from question to
    question.
    """
    if len(questions) < minimum:
        raise TooFewQuestions(f"{len(questions)} questions of one type; at least {minimum} needed.")
    forms = _forms(questions)
    parts = list(held_out_parts(questions))
    losses = {form: _held_out_loss(form, parts) + form.required_gain for form in forms}
    return _fit_form(min(forms, key=lambda form: losses[form]), questions)


def held_out_parts(
    questions: Sequence[ScoredQuestion],
) -> Iterator[tuple[list[ScoredQuestion], list[ScoredQuestion]]]:
    """Yield what to fit on and what to measure on: each task in turn, or parts of a single one."""
    tasks = sorted({one.task for one in questions})
    labels: Iterable[object] = (one.task for one in questions)
    if len(tasks) == 1:
        labels = (number % _FOLDS for number in range(len(questions)))
    labelled = list(zip(labels, questions, strict=True))
    for label in dict.fromkeys(label for label, _ in labelled):
        rest = [one for other, one in labelled if other != label]
        yield rest, [one for other, one in labelled if other == label]


def log_loss(questions: Sequence[ScoredQuestion], calibration: TypeCalibration) -> float:
    """Return the mean negative log-probability of the right option, in nats.

    Every task has the same weight.
    """
    return build_table(questions).loss(calibration)


def _forms(questions: Sequence[ScoredQuestion]) -> list[_Form]:
    """Return the forms to choose from, the simplest first."""
    is_predicate = questions[0].kind is QuestionKind.PREDICATE
    has_prior = all(question.prior is not None for question in questions)
    forms = [
        _Form(*chosen)
        for chosen in product((False, True), repeat=3)
        if (is_predicate or not chosen[0]) and (has_prior or not chosen[1])
    ]
    return sorted(forms, key=lambda form: form.required_gain)


def _held_out_loss(
    form: _Form, parts: Sequence[tuple[list[ScoredQuestion], list[ScoredQuestion]]]
) -> float:
    """Return the mean loss on parts that the form was not fitted on, in nats."""
    losses = [log_loss(held_out, _fit_form(form, fitting)) for fitting, held_out in parts]
    return sum(losses) / len(losses)


def _fit_form(form: _Form, questions: Sequence[ScoredQuestion]) -> TypeCalibration:
    """Return the most likely calibration of a form."""
    table = build_table(questions)

    def loss(parameters: NDArray[np.float64]) -> float:
        """Return the log loss with these parameters."""
        return table.loss(_calibration(parameters, 0))

    bounds = [
        (math.log(_MIN_TEMPERATURE), math.log(_MAX_TEMPERATURE)),
        (-_MAX_BIAS, _MAX_BIAS) if form.has_bias else (0.0, 0.0),
        (0.0, 1.0) if form.has_prior else (0.0, 0.0),
        (0.0, _MAX_SHARE) if form.has_share else (0.0, 0.0),
    ]
    start = [min(max(one, low), high) for one, (low, high) in zip(_START, bounds, strict=True)]
    fitted = minimize(loss, np.array(start), method="L-BFGS-B", bounds=bounds)
    return _calibration(fitted.x, len(questions))


def _calibration(parameters: NDArray[np.float64], count: int) -> TypeCalibration:
    """Return the calibration with log temperature, bias, prior weight and equal share."""
    log_temperature, bias, prior_weight, share = (float(value) for value in parameters)
    return TypeCalibration(math.exp(log_temperature), bias, count, prior_weight, share)
