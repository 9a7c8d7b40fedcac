"""The fields in which two versions of an agent's definition differ; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.agents.definitions.toml_text import document_fields
from gateway.agents.store.agents import read_definition
from gateway.dashboard.pages.agents.form_sections.numbers import number_text


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of a definition with its values before and after; empty: it is missing."""

    field: str
    before: str
    after: str


def differences(before: object, after: object) -> list[FieldChange]:
    """Return the fields that differ between two stored definitions, in their order."""
    old = dict(_flat("", document_fields(read_definition(before))))
    new = dict(_flat("", document_fields(read_definition(after))))
    return [
        FieldChange(field, old.get(field, ""), new.get(field, ""))
        for field in dict.fromkeys([*old, *new])
        if old.get(field, "") != new.get(field, "")
    ]


def _flat(at: str, value: Any) -> list[tuple[str, str]]:
    """Return the values below a field with their paths; rules are named, not numbered."""
    if isinstance(value, Mapping):
        return [pair for name, one in value.items() for pair in _flat(_join(at, name), one)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(one, Mapping) for one in value):
            named = {str(one.get("name", index)): one for index, one in enumerate(value)}
            return [pair for name, one in named.items() for pair in _flat(_join(at, name), one)]
        return [(at, ", ".join(number_text(one) for one in value))]
    return [(at, number_text(value))]


def _join(at: str, name: str) -> str:
    """Return the path of a field below another one."""
    return f"{at}.{name}" if at else name
