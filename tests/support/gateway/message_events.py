"""The events of a streamed message."""

import json
from typing import Any

import httpx


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    """The stream's events, decoded; each has its type as its name."""
    decoded = []
    for event in answer.text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        decoded.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {decoded[-1]['type']}"
    return decoded


def text_of(found: list[dict[str, Any]]) -> str:
    deltas = [one["delta"] for one in found if "index" in one and "delta" in one]
    return "".join(delta.get("text", "") for delta in deltas)
