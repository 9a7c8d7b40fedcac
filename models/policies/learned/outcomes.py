"""What each action cost once it is known whether the machine had a fault.

The costs are those that the owner stated. A fault leads to a failure unless it is found or the
machine is stopped before.
"""

import numpy as np

from models.policies.intervals import Floats
from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.maintenance.policy import Action

ACTIONS = (Action.WAIT, Action.INSPECT, Action.STOP)
"""The order of columns of costs and of numbers of actions."""


def costs_of_outcome(fault: bool, costs: MaintenanceCosts) -> Floats:
    """Return what each of ACTIONS cost with a fault or without one, [actions]."""
    if not fault:
        in_vain = costs.inspection + costs.false_finding * costs.planned_stop
        return np.array([0.0, in_vain, costs.planned_stop])
    found = costs.detection * costs.planned_stop
    missed = (1.0 - costs.detection) * costs.unplanned_stop
    return np.array([costs.unplanned_stop, costs.inspection + found + missed, costs.planned_stop])
