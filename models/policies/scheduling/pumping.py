"""A tank filled by pumps: what each number of running pumps delivers and uses, and the levels."""

from dataclasses import dataclass

import numpy as np

from models.policies.scheduling.tariff import MINUTES_OF_DAY, Floats


@dataclass(frozen=True, slots=True)
class Levels:
    """The lowest and highest permitted volume of the tank, in m³."""

    lowest: float
    highest: float

    def __post_init__(self) -> None:
        """Raise ValueError unless the levels are in order."""
        if not 0 <= self.lowest < self.highest < np.inf:
            raise ValueError("The lowest level must be 0 or more and below the highest.")


@dataclass(frozen=True, slots=True)
class Pumps:
    """Flow (m³/h) and power (kW) with 0, 1, … pumps running, [actions]; the price of a start.

    An action is the number of running pumps.
    """

    flows: tuple[float, ...]
    powers: tuple[float, ...]
    start_price: float

    def __post_init__(self) -> None:
        """Raise ValueError unless more pumps deliver more."""
        if len(self.flows) < 2 or len(self.flows) != len(self.powers):
            raise ValueError("Flow and power are needed with no pump and with at least one.")
        if self.flows[0] != 0 or bool((np.diff(self.flows) <= 0).any()):
            raise ValueError("No pump delivers nothing, and each further pump more.")
        if min(self.powers) < 0 or self.start_price < 0:
            raise ValueError("Power and the price of a start must be 0 or more.")

    @property
    def actions(self) -> int:
        """How many actions there are."""
        return len(self.flows)

    def cost(self, action: int, before: int, price: float, hours: float) -> float:
        """Return what a step costs: energy at `price` per kWh, and pumps that were started."""
        return self.powers[action] * hours * price + max(0, action - before) * self.start_price


@dataclass(frozen=True, slots=True)
class Installation:
    """A tank with its pumps, its prices by time of day, and the steps in which it is switched.

    prices: per kWh, [slots of a day]; the number of slots sets the length of a step.
    """

    levels: Levels
    pumps: Pumps
    prices: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise ValueError unless a day has a whole number of steps in minutes."""
        if not self.prices or MINUTES_OF_DAY % len(self.prices):
            raise ValueError("A day must have a whole number of steps of whole minutes.")

    @property
    def slots(self) -> int:
        """The steps of a day."""
        return len(self.prices)

    @property
    def hours(self) -> float:
        """The length of a step."""
        return 24.0 / self.slots

    @property
    def inflows(self) -> Floats:
        """The volume that each action delivers in a step, in m³, [actions]."""
        return np.array(self.pumps.flows) * self.hours
