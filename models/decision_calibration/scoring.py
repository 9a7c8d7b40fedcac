"""Scores of a question's options from the log-probabilities of the answer's first token.

    letters of one prompt -> normalised over its options -> mean over both orders -> scores

A score is a log-probability up to a constant per question; calibration.py makes probabilities.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from models.decision_calibration.ballots import LETTERS, Order

TokenLogprobs = Sequence[tuple[str, float]]
"""The most likely first tokens of an answer with their log-probabilities."""
Scores = tuple[float, ...]
"""One score per option of a question."""

# Below this probability of all letters together, the model answered something else.
MIN_LETTER_PROBABILITY = 0.01
# What may surround a letter within one token.
_AROUND = " \t\n▁Ġ.:()[]*\"'`"


class NoOptionChosen(ValueError):
    """The model's answer is none of the options: it declined, or did not follow the form."""


def letter_scores(tokens: TokenLogprobs, count: int) -> Scores:
    """Return the log-probability of each of the first `count` letters, normalised over them.

    An option whose letter is not among the tokens is less likely than all of them: it gets the
    lowest of their log-probabilities, which is an upper bound. Raises NoOptionChosen.
    """
    found: dict[str, float] = {}
    for token, logprob in tokens:
        letter = token.strip(_AROUND)
        if letter and letter in LETTERS[:count]:
            found[letter] = _log_sum((found.get(letter, -math.inf), logprob))
    if not found or math.exp(min(0.0, _log_sum(found.values()))) < MIN_LETTER_PROBABILITY:
        raise NoOptionChosen("The model's answer is none of the options.")
    lowest = min(logprob for _, logprob in tokens)
    return normalise([found.get(letter, lowest) for letter in LETTERS[:count]])


def average_orders(scores_by_order: Mapping[Order, Scores]) -> dict[int, float]:
    """Return the score of each option of a group: the mean over the orders that were asked."""
    totals: dict[int, float] = {}
    for order, scores in scores_by_order.items():
        for index, score in zip(order, scores, strict=True):
            totals[index] = totals.get(index, 0.0) + score / len(scores_by_order)
    indices = sorted(totals)
    return dict(zip(indices, normalise([totals[index] for index in indices]), strict=True))


def join_rounds(groups: Sequence[Mapping[int, float]], final: Mapping[int, float]) -> Scores:
    """Return the scores of all options from those within each group and those of the final round.

    The best option of a group stands for it in the final round: the other options of the group get
    its score less their distance to it. `final` is empty if there is one group only.
    """
    joined: dict[int, float] = {}
    for group in groups:
        best = best_option(group)
        joined |= {index: final.get(best, 0.0) + group[index] - group[best] for index in group}
    return normalise([joined[index] for index in sorted(joined)])


def best_option(group: Mapping[int, float]) -> int:
    """Return the index of the option with the highest score."""
    return max(group, key=lambda index: group[index])


def equal_scores(count: int) -> Scores:
    """Return the scores of options of which none is preferred."""
    return normalise([0.0] * count)


def normalise(logs: Sequence[float]) -> Scores:
    """Return the logarithms less that of their sum, so that the probabilities sum to 1."""
    total = _log_sum(logs)
    return tuple(value - total for value in logs)


def _log_sum(logs: Iterable[float]) -> float:
    """Return the logarithm of the sum of exponentials."""
    values = list(logs)
    highest = max(values)
    if highest == -math.inf:
        return highest
    return highest + math.log(sum(math.exp(value - highest) for value in values))
