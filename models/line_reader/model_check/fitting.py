"""Fit the weights that join the judge's probability and a language model's replies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.line_reader.model_check.replies import Margins
from models.line_reader.model_check.verdict import CheckWeights, log_odds
from models.line_reader.training.outcomes import Outcome, choose_threshold, split_groups

_PENALTY = 0.5
# Where the replies of the model change no verdict, it is not asked.
ASKED_FROM, ASKED_TO = 0.02, 0.97


@dataclass(frozen=True, slots=True)
class CheckedCase:
    """A question of a document, how the judge alone answers it, and the model's replies.

    `is_of_other_item` is whether the line is about another item of the family that is asked about.
    """

    group: str
    judged: Outcome
    margins: Margins
    is_of_other_item: bool = False


def fit_check(cases: Sequence[CheckedCase], threshold: float = 0.0) -> CheckWeights:
    """Fit a logistic regression: whether the judge's best line is the right answer."""
    inputs = np.array(
        [(log_odds(case.judged.probability), *case.margins, 1.0) for case in cases], np.float64
    )
    right = np.array([case.judged.is_right for case in cases], np.float64)

    def loss(values: NDArray[np.float64]) -> float:
        chances = 1 / (1 + np.exp(-inputs @ values))
        likelihood = right * np.log(chances + 1e-12) + (1 - right) * np.log(1 - chances + 1e-12)
        return _PENALTY * float(values[:-1] @ values[:-1]) - float(likelihood.sum())

    found = minimize(loss, np.zeros(4)).x
    judge, examples, plain, bias = (round(float(one), 4) for one in found)
    return CheckWeights(judge, examples, plain, bias, threshold, ASKED_FROM, ASKED_TO)


def checked(weights: CheckWeights, case: CheckedCase) -> Outcome:
    """Return how the judge and the model answer a case together."""
    judged = case.judged
    if not weights.is_in_doubt(judged.probability):
        probability = float(judged.probability >= ASKED_TO)
    elif case.is_of_other_item:
        probability = 0.0
    else:
        probability = weights.probability(judged.probability, *case.margins)
    return Outcome(judged.is_answerable, probability, judged.is_right)


def fit_left_out(cases: Sequence[CheckedCase]) -> tuple[CheckWeights, list[Outcome]]:
    """Return the weights of all cases, and each outcome by weights that lack its document."""
    outcomes: dict[int, Outcome] = {}
    for held_out in split_groups([case.group for case in cases]):
        weights = fit_check([case for case in cases if case.group not in held_out])
        for index, case in enumerate(cases):
            if case.group in held_out:
                outcomes[index] = checked(weights, case)
    ordered = [outcomes[index] for index in range(len(cases))]
    return fit_check(cases, choose_threshold(ordered)), ordered
