"""The rule that turns calibrated probabilities and costs into decisions (Elkan 2001).

Acting on an event that does not come costs a false alarm, not acting on one that comes costs a
miss. Acting is cheaper on average if p × miss > (1 - p) × false alarm, that is if p exceeds
false alarm / (false alarm + miss). Of several events at most one is acted on: the one for which
acting saves most.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]

NO_ACTION = -1


@dataclass(frozen=True, slots=True)
class CostTable:
    """The costs of events that can be acted on, [events] each, all above 0, in one currency."""

    false_alarms: Floats
    misses: Floats

    @property
    def thresholds(self) -> Floats:
        """The probability of each event above which acting on it is cheaper, [events]."""
        return np.asarray(self.false_alarms / (self.false_alarms + self.misses))


@dataclass(frozen=True, slots=True)
class Decisions:
    """What is decided of each row, [rows] each.

    considered: the event for which acting saves most, or costs least. acts: whether it is acted
    on. expected_cost: of the decision, by the probabilities.
    """

    considered: Indices
    acts: Flags
    expected_cost: Floats

    @property
    def chosen(self) -> Indices:
        """The event that is acted on, NO_ACTION if none is."""
        return np.where(self.acts, self.considered, NO_ACTION)


def decide(probabilities: Floats, costs: CostTable) -> Decisions:
    """Return the cheapest decision on each row by the probabilities of the events, [rows, events].

    Events exclude each other. A row whose probability equals the threshold is not acted on.
    """
    missed, in_vain = probabilities * costs.misses, (1.0 - probabilities) * costs.false_alarms
    considered = (missed - in_vain).argmax(axis=1)
    rows = np.arange(len(probabilities))
    of_miss, of_action = missed[rows, considered], in_vain[rows, considered]
    # Summed without the event itself: subtracting it would lose the digits of small costs.
    others = np.where(np.arange(missed.shape[1]) == considered[:, np.newaxis], 0.0, missed)
    expected = others.sum(axis=1) + np.minimum(of_miss, of_action)
    return Decisions(considered, of_miss > of_action, expected)


def actual_costs(chosen: Indices, occurred: Flags, costs: CostTable) -> Floats:
    """Return what decisions cost on rows whose events are known, [rows].

    chosen: the event acted on, or NO_ACTION. occurred: [rows, events].
    """
    total = np.asarray((occurred * costs.misses).sum(axis=1), dtype=np.float64)
    acted = np.flatnonzero(chosen != NO_ACTION)
    event = chosen[acted]
    was_right = occurred[acted, event]
    change = np.where(was_right, -costs.misses[event], costs.false_alarms[event])
    total[acted] += change
    return total
