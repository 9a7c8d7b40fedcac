"""All sections of the form with rows, from a document and back; pure.

A form that does not show a section leaves the section of the document as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.dashboard.pages.agents.form_sections.commands import command_section, command_values
from gateway.dashboard.pages.agents.form_sections.pump_schedule import (
    schedule_section,
    schedule_values,
)
from gateway.dashboard.pages.agents.form_sections.route import (
    fits_form,
    route_section,
    route_values,
)
from gateway.dashboard.pages.agents.form_sections.rows import form_path, row_prefixes

_NAMES = ("board", "commands", "round", "schedule")
_SHOWN = "shown"
# Errors that are shown at a list or a section, as there is no single field for them.
_SLOTS = re.compile(
    r"commands|board|round\.stops(\[\d+\]\.questions)?|schedule\.(pumps|tariff|level)"
)
_BETWEEN = re.compile(r"\.between(\[\d\])?$")


@dataclass(frozen=True, slots=True)
class StopRows:
    """A stop of the route in the form: the starts of its fields and of its questions' fields."""

    prefix: str
    questions: list[str]


@dataclass(frozen=True, slots=True)
class FormSections:
    """The sections that a form shows, by the starts of their rows' fields.

    is_long_route: the route is edited as TOML.
    """

    commands: list[str]
    stops: list[StopRows]
    pumps: list[str]
    periods: list[str]
    has_schedule: bool
    is_long_route: bool


def section_values(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the sections that the form shows for a document."""
    board = document.get("board", {})
    values = {f"board.{_SHOWN}": "1", "board.team": board.get("team", "")}
    values["board.role"] = board.get("role", "monitor")
    if "schedule" in document:
        return values | {f"schedule.{_SHOWN}": "1"} | schedule_values(document)
    values |= {f"commands.{_SHOWN}": "1"} | command_values(document)
    if "round" not in document or fits_form(document["round"]):
        values |= {f"round.{_SHOWN}": "1"} | route_values(document)
    return values


def with_sections(document: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return a document with the sections that the fields of the form state."""
    shown = [name for name in _NAMES if values.get(f"{name}.{_SHOWN}")]
    stated = {name: _section(name, values) for name in shown}
    kept = {name: one for name, one in document.items() if name not in stated}
    return kept | {name: section for name, section in stated.items() if section}


def form_sections(document: Mapping[str, Any], values: Mapping[str, str]) -> FormSections:
    """Return the sections and rows of a form that shows `values`."""
    return FormSections(
        commands=row_prefixes(values, "commands"),
        stops=[
            StopRows(at, row_prefixes(values, f"{at}.questions"))
            for at in row_prefixes(values, "round.stops")
        ],
        pumps=row_prefixes(values, "schedule.pumps"),
        periods=row_prefixes(values, "schedule.periods"),
        has_schedule="schedule" in document,
        is_long_route="round" in document and not values.get(f"round.{_SHOWN}"),
    )


def section_field(values: Mapping[str, str], param: str) -> str:
    """Return the field or list of the form for an error of a section, else the error's own."""
    is_last = param.endswith((".between", ".between[1]"))
    path = _BETWEEN.sub(".at_one" if is_last else ".value", param)
    found = form_path(values, path)
    for field in (found, f"{found}.value", f"{found}.kind", f"{found}.text.en", f"{found}.flow"):
        if field in values:
            return field
    return found


def is_slot(field: str) -> bool:
    """Return whether the form shows an error at a list or section as a whole."""
    return _SLOTS.fullmatch(field) is not None


def is_of_section(name: str, values: Mapping[str, str]) -> bool:
    """Return whether a field is of a section that a sent form showed, and so sent completely."""
    section = re.split(r"[.\[]", name, maxsplit=1)[0]
    return section in _NAMES and bool(values.get(f"{section}.{_SHOWN}"))


def _section(name: str, values: Mapping[str, str]) -> Any:
    """Return one section as the fields of the form state it, empty for none."""
    match name:
        case "commands":
            return command_section(values)
        case "round":
            return route_section(values)
        case "schedule":
            return schedule_section(values)
    team = values.get("board.team", "").strip()
    return {"team": team, "role": values.get("board.role", "")} if team else None
