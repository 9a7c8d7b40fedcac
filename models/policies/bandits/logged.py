"""Logged decisions: situation, action, the probability with which it was taken, and its cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.policies.intervals import Floats

Indices = NDArray[np.intp]


class DecisionsInvalid(ValueError):
    """Logged decisions from which nothing can be learned; the message says why."""


@dataclass(frozen=True, slots=True)
class LoggedDecisions:
    """Decisions in order of time.

    contexts: [decisions, features]. actions: the one taken, [decisions]. propensities: the
    probability with which the logging policy took it, [decisions], above 0. costs: [decisions].
    """

    contexts: Floats
    actions: Indices
    propensities: Floats
    costs: Floats

    def __post_init__(self) -> None:
        """Raise DecisionsInvalid for other lengths, missing values and impossible propensities."""
        lengths = {len(self.contexts), len(self.actions), len(self.propensities), len(self.costs)}
        if len(lengths) != 1 or self.contexts.ndim != 2:
            raise DecisionsInvalid("The columns of the decisions differ in length.")
        values = (self.contexts, self.propensities, self.costs)
        if not all(np.isfinite(value).all() for value in values):
            raise DecisionsInvalid("A decision has a value that is no number.")
        if ((self.propensities <= 0) | (self.propensities > 1)).any():
            raise DecisionsInvalid("Propensities are above 0 and at most 1.")
        if (self.actions < 0).any():
            raise DecisionsInvalid("An action is a number from 0 on.")

    def __len__(self) -> int:
        """The number of decisions."""
        return len(self.actions)

    def take(self, rows: Indices) -> "LoggedDecisions":
        """Return some of the decisions."""
        return LoggedDecisions(
            self.contexts[rows], self.actions[rows], self.propensities[rows], self.costs[rows]
        )
