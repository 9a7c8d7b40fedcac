"""The probability of a failure in each coming period, from what specialists return."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from models.policies.intervals import Floats


@dataclass(frozen=True, slots=True)
class Outlook:
    """The probability that the machine fails in each period, [periods]; the sum is at most 1."""

    failures: Floats

    def __post_init__(self) -> None:
        """Raise ValueError unless the values are probabilities."""
        if not len(self.failures) or not np.isfinite(self.failures).all():
            raise ValueError("An outlook has a probability for each of its periods.")
        if (self.failures < 0).any() or self.failures.sum() > 1 + 1e-9:
            raise ValueError("Probabilities are 0 or more and sum to 1 at most.")

    @property
    def periods(self) -> int:
        """How many periods the outlook has."""
        return len(self.failures)

    @property
    def survival(self) -> Floats:
        """The probability that the machine runs at the start of each period, [periods]."""
        return np.asarray(1.0 - np.concatenate([[0.0], np.cumsum(self.failures)[:-1]]))


def outlook_of_event(probability: float, horizon: int) -> Outlook:
    """Return the outlook of an event that comes within `horizon` periods, at a constant rate.

    The rate is constant, so that waiting for a period uses up its part of the risk.
    """
    if not 0 <= probability <= 1 or horizon < 1:
        raise ValueError("A probability is from 0 to 1, and the horizon a period or more.")
    kept = (1.0 - probability) ** (np.arange(horizon + 1) / horizon)
    return Outlook(-np.diff(kept))


def outlook_of_life(
    lower: float, estimate: float, upper: float, level: float, periods: int
) -> Outlook:
    """Return the outlook of a remaining life with its interval at `level`, in periods.

    The life is normal on either side of its estimate, with the spread of that side.
    """
    if not 0 <= lower <= estimate <= upper or not 0 < level < 1 or periods < 1:
        raise ValueError("A life of 0 or more lies in its interval.")
    width = NormalDist().inv_cdf(0.5 + level / 2)
    below, above = ((estimate - lower) / width, (upper - estimate) / width)
    edges = np.arange(periods + 1, dtype=np.float64)
    shares = np.array(
        [_share(edge, estimate, below if edge < estimate else above) for edge in edges]
    )
    # A machine that runs has not failed before now.
    shares = (shares - shares[0]) / max(1.0 - shares[0], 1e-9) if shares[0] < 1 else shares
    return Outlook(np.clip(np.diff(shares), 0.0, 1.0))


def _share(edge: float, centre: float, spread: float) -> float:
    """Return the share of a normal distribution below an edge; without spread it is a step."""
    if spread <= 0:
        return 1.0 if edge > centre else 0.0
    return NormalDist(centre, spread).cdf(edge)
