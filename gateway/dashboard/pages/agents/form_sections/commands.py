"""The section `[[commands]]` in the form of an agent; pure."""

from collections.abc import Mapping
from typing import Any

from gateway.dashboard.pages.agents.form_sections.numbers import number_text, read_number
from gateway.dashboard.pages.agents.form_sections.rows import mark_row, row_prefixes


def command_values(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the form for the commands of a document."""
    values: dict[str, str] = {}
    for index, command in enumerate(document.get("commands", ())):
        at = f"commands[{index}]"
        first, last = command.get("between") or (command.get("value"), None)
        values |= mark_row(at) | {
            f"{at}.tag": command["tag"],
            f"{at}.value": number_text(first),
            f"{at}.at_one": number_text(last),
            f"{at}.unit": command.get("unit", ""),
            f"{at}.when": command.get("when", "stop"),
            f"{at}.valid_for": command.get("valid_for", "15m"),
            f"{at}.moving_within": command.get("moving_within", ""),
        }
    return values


def command_section(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the commands that the fields of the form state."""
    return [_command(values, at) for at in row_prefixes(values, "commands")]


def _command(values: Mapping[str, str], at: str) -> dict[str, Any]:
    """Return one command; with a value at probability 1 it is `between` both."""
    last = values.get(f"{at}.at_one", "").strip()
    first = read_number(values.get(f"{at}.value", ""))
    stated = {"between": [first, read_number(last)]} if last else {"value": first}
    texts = ("tag", "unit", "moving_within")
    return {
        **{name: values.get(f"{at}.{name}", "").strip() for name in texts},
        **stated,
        "when": values.get(f"{at}.when", "stop"),
        "valid_for": values.get(f"{at}.valid_for", "").strip() or "15m",
    }
