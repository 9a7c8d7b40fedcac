"""What switches pumps: a learned policy, or two levels (hysteresis), as most plants have it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.policies.scheduling.fitted_q import ActionValues
from models.policies.scheduling.shield import Shield


class Controller(Protocol):
    """Decides how many pumps run in the next step."""

    def act(self, slot: int, level: float, before: int) -> int:
        """Return the number of pumps, from slot of the day, level in m³ and the action before."""
        ...


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """All pumps from `low` on until `high` is reached, in m³."""

    low: float
    high: float
    pumps: int

    def act(self, slot: int, level: float, before: int) -> int:
        """Return the number of pumps; the time of day does not matter."""
        if level <= self.low:
            return self.pumps
        return 0 if level >= self.high else before


@dataclass(frozen=True, slots=True)
class LearnedSchedule:
    """The cheapest safe action by learned action values."""

    values: ActionValues
    shield: Shield

    def act(self, slot: int, level: float, before: int) -> int:
        """Return the number of pumps."""
        allowed = self.shield.allowed(slot, level)
        costs = self.values.at(slot, level, before)
        return int(np.where(allowed, costs, np.inf).argmin())


@dataclass(frozen=True, slots=True)
class Shielded:
    """Another controller whose unsafe actions are replaced by the nearest safe one."""

    inner: Controller
    shield: Shield

    def act(self, slot: int, level: float, before: int) -> int:
        """Return the number of pumps."""
        wanted = self.inner.act(slot, level, before)
        safe = np.flatnonzero(self.shield.allowed(slot, level))
        return int(safe[np.abs(safe - wanted).argmin()])
