"""Answers of the fake model server that call a function."""

from typing import Any


def call_function(answer: dict[str, Any], name: str, arguments: str) -> None:
    """Make an answer call a function in place of its text."""
    function = {"name": name, "arguments": arguments}
    message = {"role": "assistant", "content": None}
    message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]  # type: ignore[assignment]
    answer["choices"][0] |= {"message": message, "finish_reason": "tool_calls"}
