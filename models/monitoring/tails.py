"""How often normal operation has a score: its distribution with an exponential tail.

Peaks over a threshold (Pickands 1975; for alarms Siffer et al. 2017): the largest tenth of the
scores of held-out rows gives the tail, so that a limit does not depend on a few rows.
"""

import msgspec
import numpy as np

from models.monitoring.components import Floats

_TAIL = 0.1
_POINTS = 21


class Tail(msgspec.Struct, frozen=True):
    """The distribution of a score in normal operation.

    body: its quantiles at even levels up to the start of the tail. excess: the mean of what the
    scores of the tail exceed its start by.
    """

    body: tuple[float, ...]
    excess: float

    def exceeded(self, scores: Floats) -> Floats:
        """Return the shares of normal rows with such scores or higher ones."""
        start = self.body[-1]
        levels = np.linspace(0.0, 1.0 - _TAIL, len(self.body))
        within = 1.0 - np.interp(scores, self.body, levels)
        beyond = _TAIL * np.exp(-np.maximum(scores - start, 0.0) / self.excess)
        return np.asarray(np.where(scores > start, beyond, within))

    def limit(self, rate: float) -> float:
        """Return the score that a share `rate` of normal rows exceeds."""
        if rate >= _TAIL:
            levels = np.linspace(0.0, 1.0 - _TAIL, len(self.body))
            return float(np.interp(1.0 - rate, levels, self.body))
        return self.body[-1] + self.excess * float(np.log(_TAIL / rate))


def fit_tail(scores: Floats, independent: float) -> Tail:
    """Return the distribution of scores of held-out rows.

    independent: about how many of them are independent; overlapping windows are not. The tail is
    raised by one standard error: too many false alarms are worse than a limit that is too high.
    """
    body = np.quantile(scores, np.linspace(0.0, 1.0 - _TAIL, _POINTS))
    over = scores[scores > body[-1]] - body[-1]
    mean = float(over.mean()) if len(over) else 0.0
    raised = mean * (1.0 + 1.0 / np.sqrt(max(1.0, _TAIL * independent)))
    smallest = 1e-6 * max(1.0, float(body[-1]))
    return Tail(tuple(float(value) for value in body), float(max(raised, smallest)))
