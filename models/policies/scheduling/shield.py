"""The safety shield: which actions keep the tank within its levels even in the worst case.

The worst demand of any time ahead is the highest one that the log has of the same time of day and
duration, widened by a margin. An action is safe if the level stays within its limits in this step,
and if running all pumps from the next step on would keep it there for a day. Where no action is
safe, as many pumps run as the tank has room for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.policies.scheduling.pumping import Installation
from models.policies.scheduling.tariff import Floats

Flags = NDArray[np.bool_]

# How much higher than ever logged a demand may be.
MARGIN = 0.25


@dataclass(frozen=True, slots=True)
class Shield:
    """The levels between which each action is safe, by slot of the day.

    floors: the lowest volume at which an action may be taken, [slots, actions]. ceilings: the
    highest one, [actions].
    """

    floors: Floats
    ceilings: Floats

    def allowed(self, slot: int, level: float) -> Flags:
        """Return which actions are safe, [actions]; always at least one."""
        fits = level <= self.ceilings
        safe = fits & (level >= self.floors[slot])
        if not safe.any():
            safe[np.flatnonzero(fits)[-1] if fits.any() else 0] = True
        return np.asarray(safe)


def build_shield(installation: Installation, demands: Floats, margin: float = MARGIN) -> Shield:
    """Return the shield of logged demands, [days, slots], in m³ a step."""
    worst = _worst_sums(demands) * (1.0 + margin)
    inflows, slots = installation.inflows, installation.slots
    all_pumps = np.arange(slots) * inflows[-1]
    # What is missing after 1, 2, … steps if all pumps run from the second step on.
    missing = (worst - all_pumps).max(axis=1)
    floors = installation.levels.lowest + np.maximum(missing[:, np.newaxis] - inflows, 0.0)
    return Shield(floors, installation.levels.highest - inflows)


def _worst_sums(demands: Floats) -> Floats:
    """Return the highest demand of 1, 2, … steps from each slot on, [slots, steps]."""
    slots = demands.shape[1]
    sums = np.concatenate([[0.0], np.cumsum(demands)])
    worst = np.zeros((slots, slots))
    for steps in range(1, slots + 1):
        windows = sums[steps:] - sums[:-steps]
        padded = np.zeros(-(-len(windows) // slots) * slots)
        padded[: len(windows)] = windows
        worst[:, steps - 1] = padded.reshape(-1, slots).max(axis=0)
    return worst
