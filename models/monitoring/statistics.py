"""Statistics of the last steps: how far they are from normal operation, in several ways.

Of the leading components (T²) and of the others (the residual, scaled as by Hawkins 1974): each by
the last step, by means of several steps, which find small lasting departures, and by the mean of
their squares, which finds departures that change their sign.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from models.monitoring.components import Floats, Indices


class Term(msgspec.Struct, frozen=True):
    """One statistic: of the components `start` to `stop` in the last steps of a scale.

    scale: index in the scales. squares: whether the squares of the steps are averaged, else the
    steps. unit: what the statistic is divided by, its limit if it were the only one.
    """

    scale: int
    squares: bool
    start: int
    stop: int
    unit: float = 1.0


def plan_terms(scales: int, leading: int, components: int, smooth_leading: bool) -> list[Term]:
    """Return the statistics of so many scales.

    smooth_leading: whether several steps of the leading components are averaged too.
    """
    groups = [(0, leading), *([(leading, components)] if leading < components else [])]
    terms = [Term(0, False, *group) for group in groups]
    for scale in range(1, scales):
        smoothed = groups if smooth_leading or len(groups) == 1 else groups[1:]
        terms += [Term(scale, squares, *group) for group in smoothed for squares in (False, True)]
    return terms


def measure_terms(
    scores: Floats, scales: Sequence[int], weights: Floats, terms: Sequence[Term]
) -> Floats:
    """Return the statistics of windows in their units, [windows, terms].

    scores: components, [windows, steps, components]. weights: of the squared means of each
    component by scale, [scales, components]. A statistic of more steps than there are is 0.
    """
    found = np.zeros((len(scores), len(terms)))
    for position, term in enumerate(terms):
        steps = scales[term.scale]
        if steps <= scores.shape[1]:
            parts = term_parts(scores, steps, term)
            weight = term_weights(weights, term)
            found[:, position] = (parts**2 @ weight).mean(axis=1) / len(weight) / term.unit
    return found


def term_parts(scores: Floats, steps: int, term: Term) -> Floats:
    """Return what a statistic squares, [windows, parts, components of the term]."""
    last = scores[:, -steps:, term.start : term.stop]
    return last if term.squares else last.mean(axis=1, keepdims=True)


def term_weights(weights: Floats, term: Term) -> Floats:
    """Return the weights of a statistic's components: squares of single steps have their own."""
    return np.asarray(weights[0 if term.squares else term.scale, term.start : term.stop])


def scale_ratios(measured: Floats, terms: Sequence[Term], scales: int) -> Floats:
    """Return the largest statistic of each scale and the smaller ones, [windows, scales]."""
    of_term = np.array([term.scale for term in terms])
    highest = [measured[:, of_term == scale].max(axis=1, initial=0.0) for scale in range(scales)]
    return np.maximum.accumulate(np.stack(highest, axis=1), axis=1)


def strongest_terms(measured: Floats) -> Indices:
    """Return the position of the largest statistic of each window."""
    return np.asarray(measured.argmax(axis=1), dtype=np.intp)
