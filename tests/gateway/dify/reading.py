"""How Dify reads a streamed chat."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """A streamed answer: its text, tool calls, usage and the reason for which it ended."""

    text: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None


def read_stream(body: str) -> Answer:
    """Read events as Dify does: each is separated by an empty line and must have `choices`."""
    answer = Answer()
    for event in (one.strip() for one in body.split("\n\n")):
        if not event or event.startswith(":"):
            continue
        data = event.removeprefix("data: ").lstrip()
        if data == "[DONE]":
            continue
        chunk = json.loads(data)
        answer.usage = chunk.get("usage") or answer.usage
        if len(chunk["choices"]) == 0:
            continue
        choice = chunk["choices"][0]
        # Every chunk replaces the reason, and the last one with a choice decides.
        answer.finish_reason = choice.get("finish_reason")
        answer.text += choice["delta"].get("content") or ""
        for part in choice["delta"].get("tool_calls") or []:
            _add_call(answer.calls, part)
    return answer


def _add_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Add a part of a tool call: one with a name begins a call, any other continues the last one.

    Dify validates the four values as texts, so null would end its workflow.
    """
    function = part.get("function", {})
    name, arguments = function.get("name", ""), function.get("arguments", "")
    identity, kind = part.get("id", ""), part.get("type", "")
    assert all(isinstance(one, str) for one in (name, arguments, identity, kind)), part
    if name:
        empty = {"name": "", "arguments": ""}
        calls.append({"id": identity, "type": kind, "function": empty})
    call = calls[-1]
    call["id"], call["type"] = identity or call["id"], kind or call["type"]
    call["function"]["name"] = name or call["function"]["name"]
    call["function"]["arguments"] += arguments
