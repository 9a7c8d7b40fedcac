"""A fake language model that answers with scripted messages, such as function calls, in turn."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.fakes.listening import listening

_USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


@dataclass
class ScriptedModel:
    """The server's URL, the messages of its next answers, and the requests that it received."""

    url: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)


def function_call(name: str, **arguments: Any) -> dict[str, Any]:
    """An answer that calls a function."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": f"call_{name}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


@asynccontextmanager
async def run_scripted_model() -> AsyncIterator[ScriptedModel]:
    """Serve until the block ends."""
    model = ScriptedModel()
    app = web.Application()
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _Chat(model).answer)
    async with listening(app, leaves=True) as model.url:
        yield model


async def _models(_request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [], "models": {}})


class _Chat:
    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self._model.received.append(body)
        message = self._model.answers.pop(0)
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        head = {"id": "c", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason}
            whole = {"object": "chat.completion", "choices": [choice], "usage": _USAGE}
            return web.json_response({**head, **whole})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number, delta in enumerate(_deltas(message), start=1):
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            usage = {**_USAGE, "completion_tokens": min(number, 4)}
            await _send(response, {**head, "choices": [choice], "usage": usage})
        choice = {"index": 0, "delta": {}, "finish_reason": reason}
        await _send(response, {**head, "choices": [choice], "usage": _USAGE})
        await _send(response, {**head, "choices": [], "usage": _USAGE})
        await response.write(b"data: [DONE]\n\n")
        return response


def _deltas(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts in which a message is streamed."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in re.findall(r"\S+\s*", message.get("content") or "")]
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call["function"]
        begun = {**call, "index": index, "function": {**function, "arguments": ""}}
        rest = {"index": index, "function": {"arguments": function["arguments"]}}
        deltas += [{"tool_calls": [begun]}, {"tool_calls": [rest]}]
    return deltas


async def _send(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
