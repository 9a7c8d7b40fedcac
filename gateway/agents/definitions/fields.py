"""From a definition back to the fields that people write; reading them again gives the same."""

from typing import Any

import msgspec

from billing.money import nano_text
from gateway.agents.definitions.board import board_fields
from gateway.agents.definitions.command_steps import command_fields
from gateway.agents.definitions.document import CostDocument
from gateway.agents.definitions.durations import format_duration
from gateway.agents.definitions.learning import learning_fields
from gateway.agents.definitions.recipients import recipients_fields
from gateway.agents.definitions.schedule import schedule_fields
from gateway.agents.definitions.sections import section_fields
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
        **board_fields(definition.board),
        **recipients_fields(definition.recipients),
        **learning_fields(definition.learning),
        **section_fields(definition),
    }
    if definition.commands:
        fields["commands"] = [command_fields(step) for step in definition.commands]
    if definition.schedule is not None:
        del fields["costs"]
        fields["schedule"] = schedule_fields(definition.schedule)
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
