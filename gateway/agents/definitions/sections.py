"""The optional sections of a definition as the fields that people write."""

from typing import Any

import msgspec

from gateway.agents.definitions.rounds import round_fields
from gateway.agents.definitions.tools import Step, Tool
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.definitions.warning import warning_fields


def section_fields(definition: AgentDefinition) -> dict[str, Any]:
    """Return the fields of warning, tools, steps, round and work orders, without empty ones."""
    found: dict[str, Any] = warning_fields(definition.warning)
    toolset = definition.toolset
    if toolset.tools:
        found["tools"] = [_stated(one, Tool(name="", kind=one.kind)) for one in toolset.tools]
    if toolset.steps:
        found["steps"] = [_stated(one, Step(name="", tool="")) for one in toolset.steps]
    if definition.orders is not None:
        found["orders"] = msgspec.to_builtins(definition.orders)
    if definition.round is not None:
        found["round"] = round_fields(definition.round)
    return found


def _stated(value: Any, defaults: Any) -> dict[str, Any]:
    """Return the fields of a struct that differ from their defaults, and its kind."""
    fields: dict[str, Any] = msgspec.to_builtins(value)
    return {
        name: one
        for name, one in fields.items()
        if name == "kind" or getattr(value, name) != getattr(defaults, name)
    }
