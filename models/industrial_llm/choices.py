"""The form in which a tool is chosen: `{"tool": …, "arguments": {…}}`, as JSON schemas.

Owns that form, which is learned (tasks/tools.py) and to which an engine holds answers
(serving/text/tool_call_parser.py). Needs nothing of what learning needs.
"""

from collections.abc import Mapping
from typing import Any

from models.industrial_llm.examples import Schema


def choice_of(tool: Schema, arguments: Schema) -> dict[str, Any]:
    """Of one tool, by the schema of its name, with arguments."""
    return {
        "type": "object",
        "properties": {"tool": dict(tool), "arguments": dict(arguments)},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


def arguments(properties: Mapping[str, Schema]) -> dict[str, Any]:
    """Some of these, and no others."""
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def no_choice() -> dict[str, Any]:
    """That none fits."""
    return choice_of({"type": "null"}, arguments({}))
