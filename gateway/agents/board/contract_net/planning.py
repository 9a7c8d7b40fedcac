"""The plan of a case by expected cost, from the verdict that counts; pure."""

from typing import Any

import numpy as np

from gateway.agents.assessment import Assessment, Basis
from gateway.agents.board.contract_net.values import CaseContent
from gateway.agents.definitions.values import ActionKind
from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.maintenance.outlook import Outlook, outlook_of_event
from models.policies.maintenance.policy import Action, decide_maintenance


def plan_case(content: CaseContent, costs: MaintenanceCosts) -> Assessment:
    """Return the cheapest decision. Raises ValueError if the verdict states no probability."""
    verdict = content.verdicts[content.chosen or 0]
    decided = decide_maintenance(_outlook(content), costs)
    return Assessment(
        action=decided.action,
        basis=Basis.PREDICTION,
        costs={action.value: round(cost, 4) for action, cost in decided.costs.items()},
        failure_probability=decided.failure_probability,
        stop_in_s=None if decided.stop_in is None else decided.stop_in * verdict.period_s,
        order_part=decided.order_part,
        raised=content.verdicts[0].raised,
    )


def wanted_kinds(plan: Assessment) -> tuple[ActionKind, ...]:
    """Return the kinds of action that a plan asks for."""
    wanted = [] if plan.action is Action.WAIT else [ActionKind.WORK_ORDER]
    return tuple(wanted + ([ActionKind.SPARE_PART] if plan.order_part else []))


def wanted_names(plan: dict[str, Any] | None) -> frozenset[str]:
    """Return the kinds of action of a stored plan, by name; empty without one."""
    return frozenset((plan or {}).get("kinds", ()))


def _outlook(content: CaseContent) -> Outlook:
    """Return the outlook of the verdict that counts, or of the probability that a person stated."""
    verdict = content.verdicts[content.chosen or 0]
    if content.stated is not None:
        return outlook_of_event(content.stated, max(verdict.horizon, 1))
    return Outlook(np.asarray(verdict.failures, dtype=np.float64))
