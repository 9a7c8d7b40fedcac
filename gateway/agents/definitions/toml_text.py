"""From a definition back to the document that people write: fields, TOML, and lines of fields."""

import json
import re
from collections.abc import Mapping
from typing import Any

from billing.money import nano_text
from gateway.agents.definitions.board import board_fields
from gateway.agents.definitions.command_steps import command_fields
from gateway.agents.definitions.durations import format_duration
from gateway.agents.definitions.learning import learning_fields
from gateway.agents.definitions.recipients import recipients_fields
from gateway.agents.definitions.schedule import schedule_fields
from gateway.agents.definitions.sections import section_fields
from gateway.agents.definitions.values import AgentDefinition, Budget, PredictionStep, Rule

_INDEXED = re.compile(r"(\w+)(?:\[(\d+)\])?")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"\s*(\[{1,2})\s*([\w.]+)\s*\]{1,2}")


def document_fields(definition: AgentDefinition) -> dict[str, Any]:
    """Return the fields of the document of a definition, as `read_fields` takes them."""
    step, schedule = definition.prediction, definition.schedule
    return {
        "name": definition.name,
        "asset": definition.asset,
        "template": definition.template,
        "autonomy": definition.autonomy.value,
        "every": format_duration(definition.every_s),
        "cooldown": format_duration(definition.cooldown_s),
        "actions": [kind.value for kind in definition.actions],
        "rules": [_rule_fields(rule) for rule in definition.rules],
        **({} if step is None else {"prediction": _prediction_fields(step)}),
        **(
            {"commands": [command_fields(one) for one in definition.commands]}
            if definition.commands
            else {}
        ),
        **({"costs": _cost_fields(definition)} if schedule is None else {}),
        "budget": _budget_fields(definition.budget),
        **board_fields(definition.board),
        **recipients_fields(definition.recipients),
        **learning_fields(definition.learning),
        **({} if schedule is None else {"schedule": schedule_fields(schedule)}),
        **section_fields(definition),
    }


def toml_text(fields: Mapping[str, Any]) -> str:
    """Return the fields of a document as TOML: values first, then tables."""
    values = {name: value for name, value in fields.items() if not _is_table(value)}
    parts = ["\n".join(_lines(values))]
    for name, value in fields.items():
        if isinstance(value, Mapping):
            parts.append("\n".join([f"[{name}]", *_lines(value)]))
        elif _is_table(value):
            parts += ["\n".join([f"[[{name}]]", *_lines(one)]) for one in value]
    return "\n\n".join(part for part in parts if part) + "\n"


def line_of(text: str, field: str) -> int | None:
    """Return the line of a field such as `rules[0].above` in a TOML text, None if it is not found.

    A table without the field has the line of its header.
    """
    wanted = [(name, int(index or 0)) for name, index in _INDEXED.findall(field)]
    if not wanted:
        return None
    tables = [""] if len(wanted) == 1 and "." not in field else []
    table, seen, found = "", -1, None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None:
            table = header[2]
            seen += table == wanted[0][0]
            if table == wanted[0][0] and seen == wanted[0][1]:
                found = number
        elif table in tables and _assigns(line, wanted[0][0]):
            return number
        elif len(wanted) > 1 and table == wanted[0][0] and seen == wanted[0][1]:
            if _assigns(line, wanted[1][0]):
                return number
    return found


def _assigns(line: str, key: str) -> bool:
    """Return whether a line of TOML sets a key."""
    return re.match(rf'\s*"?{re.escape(key)}"?\s*[=.]', line) is not None


def _is_table(value: object) -> bool:
    """Return whether a value is written as a table of its own, or several."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, Mapping) for one in value)
    return isinstance(value, Mapping)


def _lines(fields: Mapping[str, Any]) -> list[str]:
    """Return the lines that set the fields of one table."""
    return [f"{_key(name)} = {_value(value)}" for name, value in fields.items()]


def _key(name: str) -> str:
    """Return a key, in quotes where it needs them."""
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    """Return a value as TOML; tables inside others are inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_lines(value)) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    # Of JSON's texts, only this character is not allowed in those of TOML.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _rule_fields(rule: Rule) -> dict[str, Any]:
    """Return the fields of a rule."""
    return {
        "name": rule.name,
        **({"tag": rule.tag} if rule.tag else {"concept": rule.concept}),
        rule.comparison.value: rule.limit,
        "unit": rule.unit,
        "held_for": format_duration(rule.held_s) if rule.held_s else "",
        "stale_after": format_duration(rule.stale_s),
    }


def _prediction_fields(step: PredictionStep) -> dict[str, Any]:
    """Return the fields of the specialist's step."""
    return {
        "model": step.model,
        "when": step.when.value,
        "outcome": step.outcome.value,
        "output": step.output,
        "period": format_duration(step.period_s),
        "horizon": step.horizon,
        **({"event": step.event} if step.event else {}),
        "level": step.level,
        "options": dict(step.options),
    }


def _cost_fields(definition: AgentDefinition) -> dict[str, Any]:
    """Return the fields of the costs."""
    costs = definition.costs
    return {
        "planned_stop": costs.planned_stop,
        "unplanned_stop": costs.unplanned_stop,
        "inspection": costs.inspection,
        "detection": costs.detection,
        "false_finding": costs.false_finding,
        "spare_part_lead": costs.spare_part_lead,
        "waiting": costs.waiting,
        "order_load": list(costs.order_load),
    }


def _budget_fields(budget: Budget) -> dict[str, Any]:
    """Return the fields of the budget."""
    return {
        "per_tick": _amount(budget.per_tick_nano),
        "per_day": _amount(budget.per_day_nano),
        "per_month": _amount(budget.per_month_nano),
    }


def _amount(nano: int) -> str:
    """Return an amount as people write it: `20` or `0.05`."""
    text = nano_text(nano)
    return text.rstrip("0").rstrip(".") if "." in text else text
