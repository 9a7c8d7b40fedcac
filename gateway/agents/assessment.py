"""From rules and a prediction to a decision with its reasons; pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from gateway.agents.definitions.values import AgentDefinition, OutcomeKind, PredictionStep
from gateway.agents.definitions.warning import WarningStep
from gateway.agents.rules import RuleResult, RuleStatus
from gateway.agents.warnings.finding import WarningFinding
from models.policies.maintenance.outlook import Outlook, outlook_of_event, outlook_of_life
from models.policies.maintenance.policy import Action, MaintenanceDecision, decide_maintenance

_LOWER, _UPPER = "lower", "upper"


class Basis(StrEnum):
    """What a decision rests on."""

    NOTHING = "nothing"
    RULES = "rules"
    PREDICTION = "prediction"


class PredictionUnreadable(ValueError):
    """The specialist's answer lacks the output that the agent reads, or it is no number."""


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The decision of a tick.

    costs: the expected cost of each action, in the account's currency. stop_in_s: seconds until the
    planned stop, None if none is planned. raised: names of the rules that were raised; unusable:
    of those that could not be evaluated. chosen_by: number of the learned policy that chose another
    action than the expected costs, 0 for a drawn one, None if they chose. warning: what a learned
    warning rule says, None without one.
    """

    action: Action
    basis: Basis
    costs: dict[str, float] = {}
    failure_probability: float | None = None
    stop_in_s: float | None = None
    order_part: bool = False
    raised: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    chosen_by: int | None = None
    warning: WarningFinding | None = None


def assess_rules(results: Sequence[RuleResult]) -> Assessment:
    """Return the decision without a prediction: inspect if a rule was raised.

    If no rule could be evaluated, nothing is known of the machine: that is a reason to look.
    """
    raised = tuple(one.name for one in results if one.status is RuleStatus.RAISED)
    unusable = tuple(one.name for one in results if one.status in _UNUSABLE)
    is_blind = bool(results) and len(unusable) == len(results)
    return Assessment(
        action=Action.INSPECT if raised or is_blind else Action.WAIT,
        basis=Basis.RULES if raised or is_blind else Basis.NOTHING,
        raised=raised,
        unusable=unusable,
    )


def assess_prediction(
    definition: AgentDefinition,
    step: PredictionStep,
    results: Sequence[RuleResult],
    prediction: Mapping[str, Any],
) -> Assessment:
    """Return the decision by expected cost. Raises PredictionUnreadable."""
    return _by_outlook(definition, step, results, read_outlook(step, prediction))


def assess_without_specialist(
    definition: AgentDefinition, results: Sequence[RuleResult], warning: WarningFinding | None
) -> Assessment:
    """Return the decision by the probability of a learned warning rule, else by rules alone."""
    step = definition.warning
    if step is None or warning is None or warning.probability is None:
        return msgspec.structs.replace(assess_rules(results), warning=warning)
    outlook = outlook_of_event(warning.probability, step.horizon)
    found = _by_outlook(definition, step, results, outlook)
    return msgspec.structs.replace(found, warning=warning)


def _by_outlook(
    definition: AgentDefinition,
    step: PredictionStep | WarningStep,
    results: Sequence[RuleResult],
    outlook: Outlook,
) -> Assessment:
    """Return the decision with the lowest expected cost."""
    decided = decide_maintenance(outlook, definition.costs)
    by_rules = assess_rules(results)
    return Assessment(
        action=decided.action,
        basis=Basis.PREDICTION,
        costs={action.value: round(cost, 4) for action, cost in decided.costs.items()},
        failure_probability=decided.failure_probability,
        stop_in_s=_stop_in_s(decided, step),
        order_part=decided.order_part,
        raised=by_rules.raised,
        unusable=by_rules.unusable,
    )


def read_outlook(step: PredictionStep, prediction: Mapping[str, Any]) -> Outlook:
    """Return the outlook of a specialist's answer. Raises PredictionUnreadable."""
    value = _number(prediction, step.output)
    try:
        if step.outcome is OutcomeKind.PROBABILITY:
            return outlook_of_event(value, step.horizon)
        lower = min(_number(prediction, _LOWER, value), value)
        upper = max(_number(prediction, _UPPER, value), value)
        return outlook_of_life(max(lower, 0.0), max(value, 0.0), max(upper, 0.0), step.level,
                               step.horizon)  # fmt: skip
    except ValueError as error:
        raise PredictionUnreadable(f"`{step.output}` of {step.model}: {error}") from error


def _number(prediction: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """Return an output as a number. Raises PredictionUnreadable."""
    value = prediction.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PredictionUnreadable(f"The prediction has no number `{name}`.")
    return float(value)


def _stop_in_s(decided: MaintenanceDecision, step: PredictionStep | WarningStep) -> float | None:
    """Return the seconds until the planned stop."""
    return None if decided.stop_in is None else decided.stop_in * step.period_s


_UNUSABLE = frozenset({RuleStatus.STALE, RuleStatus.NO_POINT, RuleStatus.UNIT})
