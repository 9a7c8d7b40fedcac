"""From a definition back to the fields that people write; reading them again gives the same."""

from typing import Any

import msgspec

from billing.money import nano_text
from gateway.agents.definitions.document import CostDocument
from gateway.agents.definitions.durations import format_duration
from gateway.agents.definitions.values import (
    AgentDefinition,
    Budget,
    Comparison,
    PredictionStep,
    Rule,
)
from models.policies.maintenance.costs import MaintenanceCosts


def definition_fields(definition: AgentDefinition) -> dict[str, Any]:
    """Return the fields of a definition, with durations and amounts as texts."""
    fields = {
        "name": definition.name,
        "asset": definition.asset,
        "autonomy": definition.autonomy.value,
        "every": format_duration(definition.every_s),
        "rules": [_rule(rule) for rule in definition.rules],
        "costs": _costs(definition.costs),
        "budget": _budget(definition.budget),
        "actions": [kind.value for kind in definition.actions],
        "cooldown": format_duration(definition.cooldown_s),
    }
    if definition.prediction is not None:
        fields["prediction"] = _prediction(definition.prediction)
    return fields | ({"template": definition.template} if definition.template else {})


def _rule(rule: Rule) -> dict[str, Any]:
    """Return the fields of a rule, without those that are empty."""
    side = "above" if rule.comparison is Comparison.ABOVE else "below"
    fields = {
        "name": rule.name,
        "tag": rule.tag,
        "concept": rule.concept,
        side: rule.limit,
        "unit": rule.unit,
        "held_for": format_duration(rule.held_s) if rule.held_s else "",
        "stale_after": format_duration(rule.stale_s),
    }
    return {name: value for name, value in fields.items() if value != ""}


def _prediction(step: PredictionStep) -> dict[str, Any]:
    """Return the fields of the specialist's step."""
    fields: dict[str, Any] = msgspec.to_builtins(step)
    period_s = fields.pop("period_s")
    return {**fields, "period": format_duration(period_s)}


def _costs(costs: MaintenanceCosts) -> dict[str, Any]:
    """Return the fields of the costs."""
    fields = {name: getattr(costs, name) for name in CostDocument.__struct_fields__}
    return {**fields, "order_load": list(costs.order_load)}


def _budget(budget: Budget) -> dict[str, str]:
    """Return the fields of the budget."""
    return {
        "per_tick": nano_text(budget.per_tick_nano),
        "per_day": nano_text(budget.per_day_nano),
        "per_month": nano_text(budget.per_month_nano),
    }
