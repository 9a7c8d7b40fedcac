"""Answers of the constant upstream for loops of hosted tools, of any length.

A language model that calls as many specialists as the system message `steps=N` says, one in each
answer, and specialists with one optional column. Requests are counted by kind.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from load.constant_upstream.engine import Engine
from load.constant_upstream.handlers import Handlers

ANSWER = "No failure is expected."
_TORQUE = {
    "name": "torque",
    "datatype": "FP32",
    "unit": "N·m",
    "minimum": 0,
    "maximum": 500,
    "optional": True,
}
_SIGNATURE: Mapping[str, Any] = {
    "inputs": [_TORQUE],
    "outputs": [{"name": "failure", "datatype": "INT64", "unit": "1"}],
    "version": "1",
}
_USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


class ToolLoopHandlers(Handlers):
    """The handlers of the constant upstream, with answers that call tools."""

    signature = _SIGNATURE

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._served: Counter[str] = Counter()

    async def served(self, _request: web.Request) -> web.Response:
        """Return how many chats and predictions were answered."""
        return web.json_response(self._served)

    async def infer(self, request: web.Request) -> web.Response:
        self._served["infer"] += 1
        return await super().infer(request)

    async def generate(self, request: web.Request) -> web.StreamResponse:
        self._served["chat"] += 1
        return web.json_response(answer_of(json.loads(await request.read())))


def answer_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a chat: the next call, or the text after the last one."""
    messages = body["messages"]
    wanted = int(str(messages[0]["content"]).removeprefix("steps="))
    made = sum(message["role"] == "tool" for message in messages)
    tools = body.get("tools") or []
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER}
    if made < wanted and tools:
        function = {"name": tools[made % len(tools)]["function"]["name"], "arguments": "{}"}
        call = {"id": f"call_{made}", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
    return {**head, "choices": [choice], "usage": _USAGE}
