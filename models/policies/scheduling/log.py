"""The log of a tank's operation, and the flow and power of its pumps as the log shows them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.policies.scheduling.pumping import Pumps
from models.policies.scheduling.tariff import Floats

Indices = NDArray[np.intp]

# Fewer steps with an action would leave its flow to chance.
FEWEST_STEPS = 8


class LogInvalid(ValueError):
    """A log from which nothing can be learned; the message says why."""


@dataclass(frozen=True, slots=True)
class OperationLog:
    """Steps in order without gaps, [steps] each.

    slots: of the day, from 0. levels: in m³ at the start of the step. actions: pumps that ran.
    inflows and demands: what the meters counted in the step, in m³. energies: in kWh.
    """

    slots: Indices
    levels: Floats
    actions: Indices
    inflows: Floats
    demands: Floats
    energies: Floats

    def __post_init__(self) -> None:
        """Raise LogInvalid unless all columns are finite and of one length."""
        columns = (self.levels, self.actions, self.inflows, self.demands, self.energies)
        if any(len(column) != len(self.slots) for column in columns):
            raise LogInvalid("The columns of the log differ in length.")
        if not all(np.isfinite(column).all() for column in columns):
            raise LogInvalid("The log has steps without a value.")
        if (self.demands < 0).any():
            raise LogInvalid("The log has a negative demand.")

    def days(self, slots: int) -> Floats:
        """Return the demands of whole days, [days, slots], in m³. Raises LogInvalid."""
        if not np.array_equal(self.slots[1:], (self.slots[:-1] + 1) % slots):
            raise LogInvalid(f"The log must have all {slots} steps of each day in order.")
        first = int((-self.slots[0]) % slots)
        count = (len(self.slots) - first) // slots
        if count < 1:
            raise LogInvalid("The log has no whole day.")
        return np.asarray(self.demands[first : first + count * slots].reshape(count, slots))


def fit_pumps(log: OperationLog, actions: int, start_price: float, hours: float) -> Pumps:
    """Return the mean flow and power with each number of pumps, as metered. Raises LogInvalid."""
    flows, powers = [0.0], []
    for action in range(actions):
        steps = log.actions == action
        if steps.sum() < FEWEST_STEPS:
            raise LogInvalid(
                f"The log has {int(steps.sum())} steps with {action} pumps; "
                f"{FEWEST_STEPS} are needed."
            )
        powers.append(float(log.energies[steps].mean() / hours))
        if action:
            flows.append(float(log.inflows[steps].mean() / hours))
    try:
        return Pumps(tuple(flows), tuple(powers), start_price)
    except ValueError as error:
        raise LogInvalid(f"The log contradicts itself: {error}") from error
