"""The part of a form in which the columns of a table get their roles, types and units."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.dashboard.pages.own_models.ready_made_form import ready_made_from_fields
from models.tables.columns import Kind
from models.tables.schema import Role

ROLES = tuple(role.value for role in Role)
KINDS = (Kind.NUMBER.value, Kind.CATEGORY.value, Kind.TIME.value, Kind.TEXT.value)
# Settings of kinds of models, in a field of their own.
_NUMBER_SETTINGS = ("cap", "window", "false_alarms")
_TEXT_SETTINGS = ("normal",)
SETTINGS = (*_NUMBER_SETTINGS, *_TEXT_SETTINGS)
_SINGLE_ROLES = (Role.TARGET, Role.MACHINE, Role.TIME)


def schema_from_fields(fields: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the schema that a form's fields state, or None if it has none yet.

    The fields are `column0`, `role0`, `type0`, `unit0`, and so on. Of several columns with a role
    that one column has, the last counts; the others are inputs.
    """
    names = _column_names(fields)
    if not names:
        return None
    schema: dict[str, Any] = {
        **{role.value: "" for role in _SINGLE_ROLES},
        "ignored": [],
        "kinds": {},
        "units": {},
        **_settings(fields),
    }
    for position, name in enumerate(names):
        role = fields.get(f"role{position}", "")
        if role in _SINGLE_ROLES:
            schema[role] = name
        elif role == Role.IGNORED:
            schema["ignored"].append(name)
        kind = fields.get(f"type{position}", "")
        if kind and kind != fields.get(f"found{position}", ""):
            schema["kinds"][name] = kind
        unit = fields.get(f"unit{position}", "").strip()
        if unit and unit != fields.get(f"stated{position}", ""):
            schema["units"][name] = unit
    ready_made = ready_made_from_fields(fields)
    return schema if ready_made is None else {**schema, "ready_made": ready_made}


def _settings(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that are filled in; a text that is no number is left to be reported."""
    stated = {name: fields.get(name, "").strip() for name in SETTINGS}
    return {
        name: text if name in _TEXT_SETTINGS else _number(text)
        for name, text in stated.items()
        if text
    }


def _number(text: str) -> int | float | str:
    """Return a text as a number, a whole one if it can be; else the text."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text


def column_rows(schema: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the columns of a described schema as rows of the form."""
    return [
        {
            **column,
            "position": position,
            "about": _describe_values(column),
        }
        for position, column in enumerate(schema["columns"])
    ]


def _column_names(fields: Mapping[str, str]) -> list[str]:
    """Return the names of the columns in the form, in order."""
    names: list[str] = []
    while (name := fields.get(f"column{len(names)}")) is not None:
        names.append(name)
    return names


def _describe_values(column: Mapping[str, Any]) -> str:
    """Return the range or some values of a column."""
    if "minimum" in column:
        low, high = column["minimum"], column["maximum"]
        return "" if low is None else f"{low:.6g} – {high:.6g}"
    return ", ".join(column.get("examples", ())[:5])
