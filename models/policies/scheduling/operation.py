"""Run a controller against given demands: what it costs, and whether levels are kept."""

from dataclasses import dataclass

import numpy as np

from models.policies.scheduling.controllers import Controller
from models.policies.scheduling.pumping import Installation
from models.policies.scheduling.tariff import Floats


@dataclass(frozen=True, slots=True)
class Operation:
    """The result of a run.

    costs: by day, in the currency of the tariff. starts: of pumps. violations: steps that ended
    outside the levels. ends: the level in m³ and the action at the end.
    """

    costs: Floats
    starts: int
    violations: int
    lowest: float
    highest: float
    ends: tuple[float, int]

    @property
    def total(self) -> float:
        """The cost of all days."""
        return float(self.costs.sum())


def operate(
    installation: Installation,
    controller: Controller,
    demands: Floats,
    begins: tuple[float, int],
) -> Operation:
    """Return the operation over demands, [days, slots], in m³ a step, from a level and an action.

    Levels are not clipped: a tank that would run dry or over counts as a violation, and the water
    that was missing or spilled is made up for, so that controllers are compared fairly.
    """
    level, before = begins
    pumps, inflows, levels = installation.pumps, installation.inflows, installation.levels
    costs, starts, violations = np.zeros(len(demands)), 0, 0
    lowest = highest = level
    for day, row in enumerate(demands):
        for slot, demand in enumerate(row):
            action = controller.act(slot, level, before)
            costs[day] += pumps.cost(action, before, installation.prices[slot], installation.hours)
            starts += max(0, action - before)
            level += float(inflows[action] - demand)
            before = action
            violations += not levels.lowest <= level <= levels.highest
            lowest, highest = min(lowest, level), max(highest, level)
    return Operation(costs, starts, violations, lowest, highest, (level, before))
