"""The events of a stream, decoded."""

import json
from typing import Any

import httpx


def events(answer: httpx.Response) -> list[Any]:
    """The stream's events, decoded; `[DONE]` as a text."""
    parts = [part for part in answer.text.split("\n\n") if part]
    assert all(part.startswith("data: ") for part in parts)
    return [part[6:] if part == "data: [DONE]" else json.loads(part[6:]) for part in parts]
