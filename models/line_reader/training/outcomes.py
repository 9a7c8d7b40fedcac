"""How questions are answered by judges that have not learned from their document, in figures."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.line_reader.judging.judge import JudgeWeights, answer_features
from models.line_reader.training.judging import Case, fit_judge

_PARTS = 8
# Of the answerable questions about left-out documents, as many may be answered wrongly.
_MAX_WRONG = 0.03
THRESHOLDS = (0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a question was answered: the line's probability, and whether the answer is right."""

    is_answerable: bool
    probability: float
    is_right: bool


def split_groups(names: Sequence[str]) -> list[set[str]]:
    """Return the documents that are left out together, in eight parts."""
    ordered = sorted(set(names))
    return [set(ordered[part::_PARTS]) for part in range(_PARTS)]


def leave_out(cases: Sequence[Case]) -> dict[int, tuple[Outcome, JudgeWeights]]:
    """Return the outcome of each case by its `id`, with the judge that has not learned from it."""
    found: dict[int, tuple[Outcome, JudgeWeights]] = {}
    for held_out in split_groups([case.group for case in cases]):
        weights = fit_judge([case for case in cases if case.group not in held_out], 0.0)
        for case in cases:
            if case.group in held_out:
                found[id(case)] = answer(weights, case), weights
    return found


def answer(weights: JudgeWeights, case: Case) -> Outcome:
    """Return how a judge answers a case."""
    scores = case.candidates.lines @ weights.rank
    features = answer_features(case.candidates, scores)
    scaled = (features - weights.means) / weights.deviations
    probability = 1 / (1 + float(np.exp(-(scaled @ weights.answer))))
    return Outcome(case.is_answerable, probability, case.is_right(weights.rank))


def choose_threshold(outcomes: Sequence[Outcome]) -> float:
    """Return the lowest probability above which few enough of the answers are wrong."""
    count = sum(one.is_answerable for one in outcomes)
    wrong = [one.probability for one in outcomes if one.is_answerable and not one.is_right]
    highest = sorted(wrong, reverse=True)[: int(_MAX_WRONG * count) + 1]
    return round(highest[-1] + 0.005, 2)


def print_figures(
    name: str, outcomes: Sequence[Outcome], thresholds: Sequence[float] = THRESHOLDS
) -> None:
    """Print a row of Markdown with the figures at several thresholds."""
    answerable = [one for one in outcomes if one.is_answerable]
    others = [one for one in outcomes if not one.is_answerable]
    cells = [f"best line {sum(one.is_right for one in answerable)} of {len(answerable)}"]
    for threshold in thresholds:
        given = [one for one in answerable if one.probability >= threshold]
        right = sum(one.is_right for one in given)
        reported = sum(one.probability < threshold for one in others)
        cells.append(
            f"{threshold}: right {right / len(answerable):.0%}, "
            f"wrong {(len(given) - right) / len(answerable):.0%}, "
            f"reported {reported} of {len(others)}"
        )
    sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
    sys.stdout.flush()
