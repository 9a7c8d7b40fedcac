"""Requests to `/v1/messages` and the events of its streams."""

import json
from typing import Any

import httpx

from tests.support.builders import CHAT, Gateway

WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}


def body(prompt: str = "one two", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": CHAT, "max_tokens": 5, "messages": messages, **fields}


async def post(
    gateway: Gateway, prompt: str = "one two", headers: Any = None, **fields: Any
) -> httpx.Response:
    return await gateway.http.post("/v1/messages", json=body(prompt, **fields), headers=headers)


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    """The stream's events, decoded; each has its type as its name."""
    decoded = []
    for event in answer.text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        decoded.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {decoded[-1]['type']}"
    return decoded


def text_of(found: list[dict[str, Any]]) -> str:
    return "".join(
        one["delta"].get("text", "") for one in found if "index" in one and "delta" in one
    )
