"""The input of a decision as one text, and the JSON objects in it.

A single user message is its content. Of several items each has a line that says what it is; tool
outputs must belong to a call before them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.call.errors import ParameterInvalid
from gateway.wire.decisions.parts import MAX_READINGS, readings_of, render_content
from gateway.wire.decisions.requests import InputItem


@dataclass(frozen=True, slots=True)
class Transcript:
    """The input as text, and its JSON objects, the last one first."""

    text: str
    readings: tuple[dict[str, Any], ...]


def read_input(items: str | Sequence[InputItem]) -> Transcript:
    """Return the input as text. Raises ParameterInvalid, ParameterUnsupported naming the item."""
    if isinstance(items, str):
        return Transcript(items, ())
    calls: dict[str, str] = {}
    blocks = [_render_item(item, f"input[{number}]", calls) for number, item in enumerate(items)]
    readings = [row for item in items for row in readings_of(item.content or "")]
    is_single = len(items) == 1 and items[0].role == "user"
    text = blocks[0][1] if is_single else "\n\n".join(f"[{head}]\n{body}" for head, body in blocks)
    return Transcript(text, tuple(reversed(readings[-MAX_READINGS:])))


def _render_item(item: InputItem, path: str, calls: dict[str, str]) -> tuple[str, str]:
    """Return what an item is, and its text. Adds the names of calls to `calls` by id."""
    if item.type == "message":
        role, content = _required(item, "role", path), _required(item, "content", path)
        return role, render_content(content, f"{path}.content")
    call_id = _required(item, "call_id", path)
    if item.type in ("function_call", "custom_tool_call"):
        field = "arguments" if item.type == "function_call" else "input"
        calls[call_id] = name = _required(item, "name", path)
        return f"call of {name}", _required(item, field, path)
    if call_id not in calls:
        raise ParameterInvalid(
            f"`{path}.call_id` matches no call before it.", param=f"{path}.call_id"
        )
    output = _required(item, "output", path)
    return f"result of {calls[call_id]}", render_content(output, f"{path}.output")


def _required(item: InputItem, name: str, path: str) -> Any:
    """Return a field that this type of item must have. Raises ParameterInvalid."""
    value = getattr(item, name)
    if value is None:
        raise ParameterInvalid(f"`{path}.{name}` is missing.", param=f"{path}.{name}")
    return value
