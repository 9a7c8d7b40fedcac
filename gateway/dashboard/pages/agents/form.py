"""The form of an agent: from the fields of a document to those of a form and back; pure.

A field of the form is named like the field of the document that an error names.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.agents.definitions.values import ActionKind
from gateway.agents.store.points import WatchablePoint
from gateway.dashboard.pages.agents.form_sections.numbers import number_text, read_number
from gateway.dashboard.pages.agents.form_sections.sections import (
    is_of_section,
    section_field,
    section_values,
    with_sections,
)
from models.units import unit_conversion

COSTS = ("planned_stop", "unplanned_stop", "inspection")
BUDGETS = ("per_tick", "per_day", "per_month")
_REPORT = "recipients.daily_report"
_TEXTS = ("name", "asset", "autonomy", "every", "cooldown")
_SIDES = ("above", "below")
_RULE = re.compile(r"rules\[(\d+)\](\..+)?")


@dataclass(frozen=True, slots=True)
class FormRule:
    """A rule in the form. side: above or below. point: the tag chosen, empty if by concept.

    suggested: the tag was chosen by its unit, for a person to check.
    """

    index: int
    name: str
    side: str
    concept: str
    point: str
    suggested: bool = False

    @property
    def prefix(self) -> str:
        """The start of the names of the rule's fields."""
        return f"rules[{self.index}]"

    @property
    def limit(self) -> str:
        """The name of the field of the limit."""
        return f"{self.prefix}.{self.side}"


def form_values(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of the form for a document."""
    values = {name: str(document.get(name, "")) for name in _TEXTS}
    values |= {f"action:{kind}": "1" for kind in document.get("actions", ())}
    costs, budget = document.get("costs", {}), document.get("budget", {})
    values |= {f"costs.{name}": number_text(costs.get(name, "")) for name in COSTS}
    values |= {f"budget.{name}": str(budget.get(name, "")) for name in BUDGETS}
    values[_REPORT] = document.get("recipients", {}).get("daily_report", "")
    for index, rule in enumerate(document.get("rules", ())):
        at = f"rules[{index}]"
        values |= {
            f"{at}.use": "1",
            f"{at}.name": rule["name"],
            f"{at}.point": rule.get("tag", ""),
            f"{at}.{_side(rule)}": number_text(rule[_side(rule)]),
            f"{at}.unit": rule.get("unit", ""),
            f"{at}.held_for": rule.get("held_for", ""),
        }
    return values | section_values(document)


def form_rules(
    document: Mapping[str, Any],
    values: Mapping[str, str],
    points: Sequence[WatchablePoint],
    matched: Iterable[str],
) -> list[FormRule]:
    """Return the rules of the form.

    matched: names of rules that a point of the asset fits. For another one a point is suggested if
    it is the only one that measures in a unit of the same quantity.
    """
    known, found = set(matched), []
    for index, rule in enumerate(document.get("rules", ())):
        chosen = values.get(f"rules[{index}].point", rule.get("tag", ""))
        tag = "" if chosen or rule["name"] in known else _suggestion(rule, points)
        concept = rule.get("concept", "")
        found.append(FormRule(index, rule["name"], _side(rule), concept, chosen or tag, bool(tag)))
    return found


def with_points(document: Mapping[str, Any], rules: Sequence[FormRule]) -> dict[str, Any]:
    """Return a document whose rules watch the points that are chosen or suggested in the form."""
    stated = document.get("rules", ())
    changed = [
        {**{name: one for name, one in rule.items() if name != "concept"}, "tag": shown.point}
        if shown.point
        else rule
        for rule, shown in zip(stated, rules, strict=True)
    ]
    return {**document, "rules": changed}


def document_of_form(document: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of the document as the form changes them."""
    used = _used(document, values)
    return {
        **with_sections(document, values),
        **{name: values.get(name, "").strip() for name in _TEXTS if name in values},
        "actions": [kind.value for kind in ActionKind if values.get(f"action:{kind}")],
        "rules": [_rule(document["rules"][index], index, values) for index in used],
        **({} if "schedule" in document else {"costs": _cost_fields(document, values)}),
        "recipients": {"daily_report": values.get(_REPORT, "").strip()},
        "budget": {
            **document.get("budget", {}),
            **{name: values.get(f"budget.{name}", "").strip() for name in BUDGETS},
        },
    }


def _cost_fields(document: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return the costs as the form changes them."""
    return {
        **document.get("costs", {}),
        **{name: read_number(values.get(f"costs.{name}", "")) for name in COSTS},
    }


def values_after_conflict(document: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a form for a newer document than the form was made of.

    What was entered for a rule is kept only if the rule still has the same place and name. Sections
    with rows are kept as they were entered.
    """
    stored = {
        name: text
        for name, text in form_values(document).items()
        if not is_of_section(name, values)
    }
    moved = {
        f"rules[{index}]."
        for index, rule in enumerate(document.get("rules", ()))
        if values.get(f"rules[{index}].name") != rule["name"]
    }
    of_moved = {name for name in values if name.startswith(tuple(moved))} if moved else set()
    kept = {name: text for name, text in values.items() if name not in of_moved}
    removed = {name for name in stored if name not in values and not name.startswith(tuple(moved))}
    return {name: text for name, text in stored.items() if name not in removed} | kept


def field_of_error(
    document: Mapping[str, Any], values: Mapping[str, str], param: str | None
) -> str:
    """Return the field of the form that an error of the document is about, empty if none is."""
    match = _RULE.fullmatch(param or "")
    if match is None:
        return section_field(values, param or "")
    used = _used(document, values)
    index = used[int(match[1])] if int(match[1]) < len(used) else int(match[1])
    return f"rules[{index}]{match[2] or '.point'}"


def _used(document: Mapping[str, Any], values: Mapping[str, str]) -> list[int]:
    """Return the indices of the rules that the form keeps."""
    indices = range(len(document.get("rules", ())))
    return [index for index in indices if values.get(f"rules[{index}].use")]


def _rule(rule: Mapping[str, Any], index: int, values: Mapping[str, str]) -> dict[str, Any]:
    """Return a rule as the form changes it."""
    at, side = f"rules[{index}]", _side(rule)
    kept = {name: value for name, value in rule.items() if name not in ("tag", "concept")}
    tag = values.get(f"{at}.point", "")
    watched = {"tag": tag} if tag or not rule.get("concept") else {"concept": rule["concept"]}
    return {
        **kept,
        **watched,
        side: read_number(values.get(f"{at}.{side}", "")),
        "unit": values.get(f"{at}.unit", "").strip(),
        "held_for": values.get(f"{at}.held_for", "").strip(),
    }


def _side(rule: Mapping[str, Any]) -> str:
    """Return the side of a rule's limit."""
    return next((side for side in _SIDES if rule.get(side) is not None), "above")


def _suggestion(rule: Mapping[str, Any], points: Sequence[WatchablePoint]) -> str:
    """Return the tag of the only point with a unit of the rule's quantity, else empty."""
    fitting = [one.tag for one in points if _same_quantity(rule.get("unit", ""), one.unit)]
    return fitting[0] if len(fitting) == 1 else ""


def _same_quantity(unit: str, other: str) -> bool:
    """Return whether values can be converted between two units, neither of them empty."""
    if not unit or not other:
        return False
    try:
        unit_conversion(unit, other)
    except ValueError:
        return False
    return True
