"""Fitted Q iteration on logged days (Ernst, Geurts, Wehenkel 2005), with an averager.

The demand does not depend on the pumps. Each logged step therefore shows what would have followed
from every level and action, not only from those of the log. Q is kept on a grid of levels and is
interpolated between them, which is an averager: the iteration converges (Gordon 1995).
"""

from dataclasses import dataclass

import numpy as np

from models.policies.scheduling.pumping import Installation
from models.policies.scheduling.shield import Shield
from models.policies.scheduling.tariff import Floats

_GRID = 49
_DISCOUNT_OF_DAY = 0.9
_DAYS_AHEAD = 21


@dataclass(frozen=True, slots=True)
class ActionValues:
    """Expected costs from a step on, [slots, levels, actions before, actions].

    grid: the levels in m³, ascending.
    """

    grid: Floats
    costs: Floats

    def at(self, slot: int, level: float, before: int) -> Floats:
        """Return the expected costs of the actions, [actions]."""
        by_level = self.costs[slot, :, before]
        return np.array([np.interp(level, self.grid, column) for column in by_level.T])


def fit_action_values(installation: Installation, demands: Floats, shield: Shield) -> ActionValues:
    """Return the action values of logged demands, [days, slots], in m³ a step."""
    levels, pumps = installation.levels, installation.pumps
    grid = np.linspace(levels.lowest, levels.highest, _GRID)
    shape = (installation.slots, _GRID, pumps.actions, pumps.actions)
    costs, discount = np.zeros(shape), _DISCOUNT_OF_DAY ** (1.0 / installation.slots)
    allowed = _allowed(installation, shield, grid)
    steps = _step_costs(installation)
    following = np.zeros((_GRID, pumps.actions))
    for _ in range(_DAYS_AHEAD):
        for slot in range(installation.slots - 1, -1, -1):
            later = _expected_after(installation, grid, demands[:, slot], following)
            total = steps[slot][np.newaxis] + discount * later[:, np.newaxis, :]
            costs[slot] = np.where(allowed[slot][:, np.newaxis, :], total, np.inf)
            following = costs[slot].min(axis=2)
    return ActionValues(grid, np.where(np.isinf(costs), _unsafe_cost(costs), costs))


def _allowed(installation: Installation, shield: Shield, grid: Floats) -> Floats:
    """Return which actions are safe, [slots, levels, actions]."""
    slots = range(installation.slots)
    return np.array([[shield.allowed(slot, float(level)) for level in grid] for slot in slots])


def _step_costs(installation: Installation) -> Floats:
    """Return what steps cost, [slots, actions before, actions]."""
    pumps, hours = installation.pumps, installation.hours
    actions = range(pumps.actions)
    return np.array(
        [
            [[pumps.cost(action, before, price, hours) for action in actions] for before in actions]
            for price in installation.prices
        ]
    )


def _expected_after(
    installation: Installation, grid: Floats, demands: Floats, following: Floats
) -> Floats:
    """Return the expected cost after a step, [levels, actions].

    following: the cost from the next step on, [levels, actions before].
    """
    columns = []
    for action, inflow in enumerate(installation.inflows):
        reached = grid[:, np.newaxis] + inflow - demands
        columns.append(np.interp(reached, grid, following[:, action]).mean(axis=1))
    return np.stack(columns, axis=1)


def _unsafe_cost(costs: Floats) -> float:
    """Return a finite cost above all others, so that files hold no infinities."""
    return float(costs[np.isfinite(costs)].max() * 2 + 1)
