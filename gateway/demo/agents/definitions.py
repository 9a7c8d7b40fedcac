"""Definitions of the demo's agents, made from the product's templates."""

from collections.abc import Mapping
from typing import Any

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields
from gateway.agents.definitions.templates import read_templates
from gateway.agents.definitions.values import AgentDefinition
from gateway.demo.agents.pump import PUMP, pump_tag
from gateway.demo.plant.model import CELL, WORN_MACHINE

TEAM = "主轴班组"
CHECK_EVERY = "12h"
# Readings of the demo are not continued: the pages of its agents stay readable for a week.
_STALE_AFTER = "7d"
_RULE_TAGS = {"vibration": "V", "bearing temperature": "T", "discharge pressure": "P"}
_COSTS = {"planned_stop": 1_500, "unplanned_stop": 12_000, "inspection": 120}
_QUIET_ROLES = {"planner": ("advise", "计划"), "executor": ("approve", "执行")}


def pump_monitor(efficiency_model: str | None = None) -> AgentDefinition:
    """Return the monitor of the pump; with a model, raised rules also ask for the efficiency."""
    document = read_templates()["pump-monitor"].for_asset(PUMP, "冷却液泵监测")
    rules = [_watched(rule) for rule in document["rules"]]
    step = {
        "name": "泵效率",
        "tool": "efficiency",
        "output": "efficiency",
        "below": 0.6,
        "options": {
            "inputs": {"flow": pump_tag("Q"), "shaft_power": pump_tag("KW")},
            "values": {"head": 30, "density": 998.2},
        },
    }
    tool = {"name": "efficiency", "kind": "mechanism", "model": efficiency_model}
    asked = {"tools": [tool], "steps": [step]} if efficiency_model else {}
    recipients = {"daily_report": "08:00"}
    return _checked(
        {**document, "rules": rules, "every": CHECK_EVERY, "recipients": recipients, **asked}
    )


def inspection_round() -> AgentDefinition:
    """Return the inspection round of the cell, which is started by hand."""
    document = read_templates()["inspection-round"].for_asset(CELL, "班前巡检")
    questions = document["round"]["stops"][0]["questions"]
    stops = [
        {"asset": WORN_MACHINE, "name": "主轴", "questions": questions},
        {"asset": PUMP, "name": "冷却液泵", "questions": [questions[0], questions[2]]},
    ]
    route = {"stops": stops, "within": "4h"}
    return _checked({**document, "round": route, "every": CHECK_EVERY})


def team_members() -> tuple[AgentDefinition, ...]:
    """Return a monitor, a planner and an executor of the spindle's team."""
    rule = {
        "name": "vibration",
        "tag": f"{WORN_MACHINE}.VIB",
        "above": 4.5,
        "unit": "mm/s",
        "stale_after": _STALE_AFTER,
    }
    others = [_member(name, role, level) for role, (level, name) in _QUIET_ROLES.items()]
    return (_member("监测", "monitor", "advise", rules=[rule]), *others)


def _member(name: str, role: str, autonomy: str, **fields: Any) -> AgentDefinition:
    """Return a member of the team."""
    acts = {"actions": ["work_order"]} if role == "executor" else {}
    return _checked(
        {
            "name": f"{WORN_MACHINE} {name}",
            "asset": WORN_MACHINE,
            "autonomy": autonomy,
            "every": CHECK_EVERY,
            "costs": _COSTS,
            "board": {"team": TEAM, "role": role},
            **acts,
            **fields,
        }
    )


def _watched(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule of the template with the tag of the pump's point."""
    kept = {name: one for name, one in rule.items() if name not in ("concept", "held_for")}
    return {**kept, "tag": pump_tag(_RULE_TAGS[rule["name"]]), "stale_after": _STALE_AFTER}


def _checked(document: Mapping[str, Any]) -> AgentDefinition:
    """Return the definition of a document."""
    return check(read_fields(document))
