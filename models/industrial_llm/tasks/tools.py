"""The specialists that a request may be meant for, as tools.

Owns which of the catalog's models are tools, what each takes, and the JSON schema of a choice. Ids
come from the catalog; a tool is known by the task that its route names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.catalog import SPECIALIST_TASKS, Model, load_catalog
from models.failure_class.features import GRADES
from models.failure_class.signature import QUANTITIES
from models.industrial_llm.choices import arguments, choice_of, no_choice
from models.industrial_llm.examples import Schema
from models.mechanisms import MECHANISMS
from models.signature import BYTES, InputField

PROFILE = "cpu"
NONE = "none"
"""Stands for no tool where tools are spoken of by their route."""

TYPE, TAG = "type", "tag"
# Readings of a whole life are no part of a sentence: they come in a file, beside it. So remaining
# life has no arguments here, and no series is longer than what somebody would say.
MOST_READINGS = 40
_LEARNED: Mapping[str, tuple[InputField, ...]] = MappingProxyType(
    {
        "machine_failure": (
            InputField(TYPE, BYTES, values=tuple(GRADES)),
            *(InputField(name, "FP32", one.unit) for name, one in QUANTITIES.items()),
        ),
        "tag_concept": (InputField(TAG, BYTES),),
    }
)


@dataclass(frozen=True, slots=True)
class Tool:
    """One specialist. `route` is the task by which the catalog chooses it."""

    id: str
    route: str
    description: str
    fields: tuple[InputField, ...]

    def unit(self, field: str) -> str | None:
        """In which a plain number is. Raises KeyError for a field that it does not take."""
        return {one.name: one.unit for one in self.fields}[field]


def tools() -> tuple[Tool, ...]:
    """The catalog's specialists and mechanisms that a request can be meant for."""
    sold = load_catalog(PROFILE).models.values()
    return tuple(_tool(one) for one in sold if one.task in SPECIALIST_TASKS and one.route)


def choice_schema(offered: tuple[Tool, ...]) -> Schema:
    """`{"tool": …, "arguments": {…}}` with arguments that the tool has, or no tool and none."""
    return {"anyOf": [*(_of_tool(one) for one in offered), no_choice()]}


def _tool(model: Model) -> Tool:
    route = model.route.task if model.route else NONE
    if model.weights.kind == "mechanism":
        fields = MECHANISMS[model.weights.source].inputs
    else:
        fields = _LEARNED.get(route, ())
    return Tool(model.id, route, model.description, fields)


def _of_tool(tool: Tool) -> Schema:
    return choice_of({"const": tool.id}, arguments({one.name: _value(one) for one in tool.fields}))


def _value(field: InputField) -> Schema:
    if field.datatype == BYTES:
        return {"enum": list(field.values)} if field.values else {"type": "string"}
    number: Schema = {"type": "number"}
    if field.length:
        return {"type": "array", "items": number, "maxItems": min(field.length[1], MOST_READINGS)}
    if field.unit is None:
        return number
    other = {
        "type": "object",
        "properties": {"value": number, "unit": {"type": "string", "maxLength": 16}},
        "required": ["value", "unit"],
        "additionalProperties": False,
    }
    return {"anyOf": [number, other]}
