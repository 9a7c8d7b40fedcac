"""What an owner states about stops, inspections, spare parts and orders, and its validation."""

from dataclasses import dataclass

import numpy as np

from models.policies.intervals import Floats

MAX_PERIODS = 400


class MaintenanceCostsInvalid(ValueError):
    """Costs that cannot be used; `field` names the one that is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(f"`{field}` {reason}")


@dataclass(frozen=True, slots=True)
class MaintenanceCosts:
    """Costs in one currency; times in periods (such as shifts or days) from now.

    planned_stop: repair and lost production of a stop in a quiet period. unplanned_stop: of a
    failure, with its damage. inspection: of a look at the machine without a stop. detection: the
    probability that an inspection finds a fault that would lead to a failure. false_finding: the
    probability that it finds one where there is none. spare_part_lead: periods from the order to
    the delivery of the spare part, 0 if it is in stock. waiting: per period that the machine stands
    still without the part. order_load: the additional cost of a planned stop in each period, for
    production orders that would be late, [periods]; the last value holds from there on.
    """

    planned_stop: float
    unplanned_stop: float
    inspection: float
    detection: float = 0.9
    false_finding: float = 0.05
    spare_part_lead: int = 0
    waiting: float = 0.0
    order_load: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        """Raise MaintenanceCostsInvalid for values that are not possible."""
        for field in ("planned_stop", "unplanned_stop", "inspection", "waiting"):
            if not 0 <= getattr(self, field) < np.inf:
                raise MaintenanceCostsInvalid(field, "must be a number of 0 or more.")
        for field in ("detection", "false_finding"):
            if not 0 <= getattr(self, field) <= 1:
                raise MaintenanceCostsInvalid(field, "must be from 0 to 1.")
        if self.unplanned_stop <= self.planned_stop:
            raise MaintenanceCostsInvalid("unplanned_stop", "must be more than `planned_stop`.")
        if not 0 <= self.spare_part_lead <= MAX_PERIODS:
            raise MaintenanceCostsInvalid("spare_part_lead", f"must be from 0 to {MAX_PERIODS}.")
        if not self.order_load or not all(0 <= load < np.inf for load in self.order_load):
            raise MaintenanceCostsInvalid("order_load", "must be numbers of 0 or more.")

    def planned(self, periods: int) -> Floats:
        """Return the cost of a planned stop at the start of each period, [periods].

        It includes the time without the spare part if the part is ordered now.
        """
        loads = np.array(self.order_load[:periods])
        loads = np.concatenate([loads, np.full(periods - len(loads), loads[-1])])
        return np.asarray(self.planned_stop + loads + self.waiting * self._without_part(periods))

    def unplanned(self, periods: int, ordered: bool) -> Floats:
        """Return the cost of a failure in each period, [periods], with the part ordered or not."""
        never = np.full(periods, float(self.spare_part_lead))
        lead = self._without_part(periods) if ordered else never
        return np.asarray(self.unplanned_stop + self.waiting * lead)

    def _without_part(self, periods: int) -> Floats:
        """Return for how long the part is missing from each period on, [periods]."""
        missing = np.maximum(self.spare_part_lead - np.arange(periods), 0)
        return np.asarray(missing, dtype=np.float64)
