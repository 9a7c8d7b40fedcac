"""What a chat request says of its tools, read from vLLM's request objects."""

from collections.abc import Mapping
from typing import Any

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
"""The schema of an object with any fields: a tool's arguments without one, or JSON mode."""


def available_tools(request: Any) -> list[Any]:
    """Return the tools that the answer may call; an empty list if it must be text.

    With `auto`, a tool's result is answered in text: a small model would call tools without end,
    or others that nobody asked for.
    """
    if not request.tools or request.tool_choice in (None, "none") or is_after_result(request):
        return []
    named = getattr(getattr(request.tool_choice, "function", None), "name", None)
    return [tool for tool in request.tools if named in (None, tool.function.name)]


def is_after_result(request: Any) -> bool:
    """Return whether a model that chooses tools itself has just got a tool's result."""
    return request.tool_choice == "auto" and _role(request.messages[-1]) == "tool"


def answer_schema(request: Any) -> Mapping[str, Any] | None:
    """Return the schema that `response_format` states for the answer, None for text."""
    stated = request.response_format
    if stated is None or stated.type == "text":
        return None
    if stated.type == "json_schema" and stated.json_schema.json_schema is not None:
        schema: Mapping[str, Any] = stated.json_schema.json_schema
        return schema
    return ANY_OBJECT


def _role(message: Any) -> str | None:
    """Return the role of a message, a mapping or an object."""
    role = message.get("role") if isinstance(message, Mapping) else getattr(message, "role", None)
    return None if role is None else str(role)
