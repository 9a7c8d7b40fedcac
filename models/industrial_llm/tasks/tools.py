"""The catalog's specialist models as tools, with inputs and the JSON schema of a call.

Ids come from the catalog; a tool is identified by the task of its route.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.catalog import SPECIALIST_TASKS, Model, load_catalog
from models.failure_class.features import GRADES
from models.failure_class.signature import QUANTITIES
from models.industrial_llm.choices import arguments_schema, no_tool_schema, tool_call_schema
from models.industrial_llm.examples import Schema
from models.mechanisms import MECHANISMS
from models.signature import BYTES, InputField

PROFILE = "cpu"
NONE = "none"
"""The route that stands for no tool."""

TYPE, TAG = "type", "tag"
# Readings of a machine's whole life come in a file, not in a sentence: remaining life has no
# arguments, and a series is no longer than what a person would type.
MAX_READINGS = 40
_TRAINED_INPUTS: Mapping[str, tuple[InputField, ...]] = MappingProxyType(
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
    """A specialist model with its inputs. `route` is the task by which the catalog selects it."""

    id: str
    route: str
    description: str
    fields: tuple[InputField, ...]

    def unit_of(self, field: str) -> str | None:
        """Return the unit of an input's numbers given without one. Raises KeyError if unknown."""
        return {input_field.name: input_field.unit for input_field in self.fields}[field]


def list_tools() -> tuple[Tool, ...]:
    """Return as tools the specialists and formulas that `auto` can select by a request's text."""
    models = load_catalog(PROFILE).models.values()
    return tuple(
        _tool_for_model(model, model.route.task)
        for model in models
        if model.task in SPECIALIST_TASKS and model.route and model.route.task
    )


def choice_schema(tools: tuple[Tool, ...]) -> Schema:
    """Return the JSON schema of a call of one of the tools, or of no tool."""
    return {"anyOf": [*(_call_schema(tool) for tool in tools), no_tool_schema()]}


def function_tools(tools: tuple[Tool, ...]) -> tuple[Schema, ...]:
    """Return tools as OpenAI's functions."""
    return tuple(
        {
            "type": "function",
            "function": {
                "name": tool.id,
                "description": tool.description,
                "parameters": arguments_schema(
                    {field.name: _described_argument(field) for field in tool.fields}
                ),
            },
        }
        for tool in tools
    )


def _described_argument(field: InputField) -> Schema:
    """Return the schema of an argument that names the unit of a number without one."""
    unit = {"description": f"in {field.unit} if no unit is given"} if field.unit else {}
    return {**_argument_schema(field), **unit}


def _tool_for_model(model: Model, route: str) -> Tool:
    """Create the tool of a catalog model, with its mechanism's or specialist's inputs."""
    if model.weights.kind == "mechanism":
        fields = MECHANISMS[model.weights.source].inputs
    else:
        fields = _TRAINED_INPUTS.get(route, ())
    return Tool(model.id, route, model.description, fields)


def _call_schema(tool: Tool) -> Schema:
    """Return the JSON schema of a call of one tool."""
    return tool_call_schema(
        {"const": tool.id},
        arguments_schema({field.name: _argument_schema(field) for field in tool.fields}),
    )


def _argument_schema(field: InputField) -> Schema:
    """Return the JSON schema of an argument."""
    if field.datatype == BYTES:
        return {"enum": list(field.values)} if field.values else {"type": "string"}
    number: Schema = {"type": "number"}
    if field.length:
        return {"type": "array", "items": number, "maxItems": min(field.length[1], MAX_READINGS)}
    if field.unit is None:
        return number
    with_unit = {
        "type": "object",
        "properties": {"value": number, "unit": {"type": "string", "maxLength": 16}},
        "required": ["value", "unit"],
        "additionalProperties": False,
    }
    return {"anyOf": [number, with_unit]}
