"""Specialists as tools of a language model: definitions from signatures, and their ranking.

A definition has the form on which the industrial adapter is trained
(models/industrial_llm/tasks/tools.py): a column is a number in its unit, or a value with its unit.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.arguments.lexicon import find_cues
from models.arguments.quantities import normalize
from models.signature import BYTES, InputField, Signature

# A prompt with more definitions than this takes a small model seconds to read.
MAX_TOOLS = 8
# Of a definition; models of wide tables have hundreds of columns, which come as a table or not.
_MAX_COLUMNS = 40
# A series is no longer than what a person would type.
_MAX_READINGS = 40
_MAX_RANKED_TEXT = 4_000
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class SpecialistTool:
    """A specialist that may be called: public name, description, task and signature.

    `task` is the one by which the classifier recognises it; None for an account's own model.
    `version` is the version that answers.
    """

    model: str
    description: str
    signature: Signature
    version: str
    task: str | None = None

    @property
    def name(self) -> str:
        """Return the name of the function, which has letters, digits and signs only."""
        return _NAME.sub("_", self.model)[:64]

    @property
    def fields(self) -> tuple[InputField, ...]:
        """Return the input columns."""
        return self.signature.inputs

    @property
    def required(self) -> tuple[InputField, ...]:
        """Return the columns that a call must have."""
        return tuple(field for field in self.fields if not field.optional)

    def definition(self) -> dict[str, Any]:
        """Return the tool in OpenAI's form."""
        properties = {field.name: _argument_schema(field) for field in self.fields[:_MAX_COLUMNS]}
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        function = {"name": self.name, "description": self.description, "parameters": schema}
        return {"type": "function", "function": function}


def rank_tools(
    tools: Sequence[SpecialistTool],
    confidences: Mapping[str, float],
    text: str,
    limit: int = MAX_TOOLS,
) -> tuple[SpecialistTool, ...]:
    """Return the tools that fit a text best, best first.

    confidences: the classifier's probabilities by task. A tool without a task is ranked by the
    columns that the text names.
    """
    normal = normalize(text[:_MAX_RANKED_TEXT])
    scores = {
        tool.model: confidences.get(tool.task or "", 0.0) + _named_share(tool, normal)
        for tool in tools
    }
    ranked = sorted(tools, key=lambda tool: (-scores[tool.model], tool.model))
    return tuple(ranked[:limit])


def unit_and_range(field: InputField) -> str:
    """Return the unit and limits of a column as text, empty if it has none."""
    unit = "" if field.unit in (None, "1") else str(field.unit)
    if field.minimum is None or field.maximum is None:
        return unit
    span = f"{field.minimum:g}–{field.maximum:g}"
    return f"{unit}, {span}" if unit else span


def _named_share(tool: SpecialistTool, text: str) -> float:
    """Return the share of a tool's required columns that a normalized text names."""
    required = tool.required
    if not required:
        return 0.0
    named = {cue.column for cue in find_cues(text, required) if cue.strength > 1}
    return len(named) / len(required)


def _argument_schema(field: InputField) -> dict[str, Any]:
    """Return the JSON schema of one column, with unit and limits in its description."""
    details = ", ".join(part for part in (field.description, unit_and_range(field)) if part)
    described = {"description": details} if details else {}
    if field.datatype == BYTES:
        values: dict[str, Any] = (
            {"enum": list(field.values)} if field.values else {"type": "string"}
        )
        return {**values, **described}
    number: dict[str, Any] = {"type": "number"}
    if field.length:
        most = min(field.length[1], _MAX_READINGS)
        return {"type": "array", "items": number, "maxItems": most, **described}
    if field.unit is None:
        return {**number, **described}
    with_unit = {
        "type": "object",
        "properties": {"value": number, "unit": {"type": "string", "maxLength": 16}},
        "required": ["value", "unit"],
        "additionalProperties": False,
    }
    return {"anyOf": [number, with_unit], **described}
