"""Answers of the fake model server that call functions."""

from typing import Any


def call_functions(answer: dict[str, Any], calls: list[tuple[str, str]], most: int) -> None:
    """Make an answer call the first functions in place of its text; `calls` loses them."""
    made = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for number, (name, arguments) in enumerate(calls[:most], 1)
    ]
    del calls[:most]
    message = {"role": "assistant", "content": None, "tool_calls": made}
    answer["choices"][0] |= {"message": message, "finish_reason": "tool_calls"}
