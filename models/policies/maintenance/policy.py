"""Choose between waiting, inspecting and stopping by expected cost.

A plan stops the machine at the start of a period, or not at all within the outlook. Its expected
cost is that of a failure before the stop, plus that of the stop if the machine still runs. An
inspection now finds a fault with some probability; if it does, the machine is stopped at the
cheapest time, else the risk remains. Of the cheapest plan only the first step is taken; the next
tick decides again.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models.policies.intervals import Floats
from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.maintenance.outlook import Outlook


class Action(StrEnum):
    """What is done in this period."""

    WAIT = "wait"
    INSPECT = "inspect"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class MaintenanceDecision:
    """The cheapest action with its reasons.

    costs: the expected cost of each action, of waiting by the best plan that begins so. stop_in:
    periods until the planned stop, None if none is planned. order_part: whether to order the spare
    part now. failure_probability: within the outlook, without any action.
    """

    action: Action
    costs: dict[Action, float]
    stop_in: int | None
    order_part: bool
    failure_probability: float


def decide_maintenance(outlook: Outlook, costs: MaintenanceCosts) -> MaintenanceDecision:
    """Return the decision; of actions that cost the same, the one that intervenes least."""
    plans = _plan_costs(outlook, costs)
    later = int(plans[1:].argmin()) + 1
    by_action = {
        Action.WAIT: float(plans[later]),
        Action.INSPECT: _inspection_cost(outlook, costs, plans),
        Action.STOP: float(plans[0]),
    }
    action = min(by_action, key=lambda one: by_action[one])
    planned = {Action.STOP: 0, Action.WAIT: later, Action.INSPECT: later}[action]
    stop_in = planned if planned < outlook.periods else None
    return MaintenanceDecision(
        action,
        by_action,
        stop_in,
        _must_order(outlook, costs, stop_in),
        float(outlook.failures.sum()),
    )


def _plan_costs(outlook: Outlook, costs: MaintenanceCosts) -> Floats:
    """Return the expected cost of stopping at each period, and of never, [periods + 1]."""
    failed = np.cumsum(outlook.failures * costs.unplanned(outlook.periods, ordered=True))
    before = np.concatenate([[0.0], failed[:-1]])
    stops = before + outlook.survival * costs.planned(outlook.periods)
    return np.append(stops, failed[-1])


def _inspection_cost(outlook: Outlook, costs: MaintenanceCosts, plans: Floats) -> float:
    """Return the expected cost of inspecting now and acting on the finding."""
    faulty = float(outlook.failures.sum())
    cheapest_stop = float(costs.planned(outlook.periods).min())
    missed = (1.0 - costs.detection) * float(plans[-1])
    found = faulty * costs.detection * cheapest_stop
    in_vain = (1.0 - faulty) * costs.false_finding * cheapest_stop
    return costs.inspection + found + missed + in_vain


def _must_order(outlook: Outlook, costs: MaintenanceCosts, stop_in: int | None) -> bool:
    """Return whether the part must be ordered now for the plan, or for the risk of a failure.

    For the risk: ordering now must save more than a period's wait for the part costs.
    """
    if costs.spare_part_lead == 0:
        return False
    if stop_in is not None and stop_in <= costs.spare_part_lead:
        return True
    with_order, without = (
        float((outlook.failures * costs.unplanned(outlook.periods, ordered)).sum())
        for ordered in (True, False)
    )
    return without - with_order > costs.waiting
