"""JSON schemas of a tool call in the form `{"tool": …, "arguments": {…}}`.

The model is trained on this form (tasks/tools.py) and the engine constrains answers to it
(serving/text/tool_call_parser.py). Imports no training libraries.
"""

from collections.abc import Mapping
from typing import Any

from models.industrial_llm.examples import Schema

# How no text answer begins: small models write calls between these.
CALL_STARTS = "{`<\n\r\t "
# The answer if the model chooses no tool, because its constrained output contains no text.
NO_TOOL_TEXT = "None of the tools matches this request."


def tool_call_schema(tool: Schema, arguments: Schema) -> dict[str, Any]:
    """Return the schema of a call of one tool, from the schemas of its name and its arguments."""
    return {
        "type": "object",
        "properties": {"tool": dict(tool), "arguments": dict(arguments)},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


def arguments_schema(properties: Mapping[str, Schema]) -> dict[str, Any]:
    """Return the schema of an object with some of these properties and no others."""
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def no_tool_schema() -> dict[str, Any]:
    """Return the schema of the answer that no tool fits."""
    return tool_call_schema({"type": "null"}, arguments_schema({}))
