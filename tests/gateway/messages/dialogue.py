"""Requests to `/v1/messages`."""

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
