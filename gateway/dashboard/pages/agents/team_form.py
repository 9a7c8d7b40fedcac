"""The form of a team: from its document to the fields of the form and back; pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.agents.board.team_fields import TeamDocument

_NUMBERS = {"disagreement": float, "opinions": int, "max_leases": int, "oscillation.changes": int}
FIELDS = (
    *("budget.per_call", "budget.per_day", "budget.per_month", "disagreement", "opinions"),
    *("deadline", "max_leases", "oscillation.changes", "oscillation.window"),
)


def team_form_values(document: TeamDocument) -> dict[str, str]:
    """Return the values of the form's fields."""
    fields: dict[str, Any] = msgspec.to_builtins(document)
    values = {"name": document.name}
    for name in FIELDS:
        head, _, rest = name.partition(".")
        values[name] = _text(fields[head][rest] if rest else fields[head])
    return values


def team_of_form(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a team as the form states them; what is no number stays a text."""
    fields: dict[str, Any] = {"name": values.get("name", "")}
    for name in FIELDS:
        if name not in values:
            continue
        head, _, rest = name.partition(".")
        value = _value(name, values[name].strip())
        if rest:
            fields.setdefault(head, {})[rest] = value
        else:
            fields[head] = value
    return fields


def _value(name: str, text: str) -> object:
    """Return the value of a field."""
    try:
        return _NUMBERS[name](text) if name in _NUMBERS else text
    except ValueError:
        return text


def _text(value: object) -> str:
    """Return a value as text; amounts without the zeros at their end."""
    text = str(value)
    is_amount = "." in text and text.replace(".", "").isdigit()
    return text.rstrip("0").rstrip(".") if is_amount else text
