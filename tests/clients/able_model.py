"""A made-up language model that does whatever a request offers, so that clients can be tested with
no engine: it calls offered functions, fills schemas, stops at stop sequences, and counts words."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.support.fakes.listening import listening

_TEXT = "Hello, here is an answer of several words for you to read."


@asynccontextmanager
async def run_able_model() -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL."""
    app = web.Application()
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _chat)
    async with listening(app, leaves=True) as url:
        yield url


async def _models(_request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [], "models": {}})


async def _chat(request: web.Request) -> web.StreamResponse:
    body = json.loads(await request.read())
    message, reason = answer_to(body), "stop"
    if "tool_calls" in message:
        reason = "tool_calls"
    elif len(message["content"].split()) == (body.get("max_tokens") or 0):
        reason = "length"
    head = {"id": "chatcmpl-1", "created": 1, "model": body["model"]}
    if not body.get("stream"):
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        whole = {"object": "chat.completion", "choices": [choice], "usage": _usage(body, message)}
        return web.json_response({**head, **whole})
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    usage = _usage(body, message)
    for number, delta in enumerate([*_deltas(message), {}]):
        ended = None if delta else reason
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": ended}
        told = {**usage, "completion_tokens": min(number, usage["completion_tokens"])}
        await _send(response, {**head, "choices": [choice], "usage": told})
    await _send(response, {**head, "choices": [], "usage": usage})
    await response.write(b"data: [DONE]\n\n")
    return response


def answer_to(body: dict[str, Any]) -> dict[str, Any]:
    """The message that answers a request."""
    tool = _tool_to_call(body)
    if tool is not None:
        arguments = _fill(tool["parameters"], _last_text(body))
        function = {"name": tool["name"], "arguments": json.dumps(arguments, ensure_ascii=False)}
        call = {"id": "call_1", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    wanted = body.get("response_format") or {"type": "text"}
    text = _TEXT
    if wanted["type"] == "json_schema":
        text = json.dumps(_fill(wanted["json_schema"]["schema"], _last_text(body)))
    elif wanted["type"] == "json_object":
        named = re.findall(r"'(\w+)'", _last_text(body))
        text = json.dumps(dict.fromkeys(named, "words"))
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0]
    words = re.findall(r"\S+\s*", text)[: body.get("max_tokens")]
    return {"role": "assistant", "content": "".join(words)}


def _tool_to_call(body: dict[str, Any]) -> dict[str, Any] | None:
    """The function that the request demands, or that a question with functions asks for."""
    functions: list[dict[str, Any]] = [one["function"] for one in body.get("tools") or []]
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        return next(one for one in functions if one["name"] == choice["function"]["name"])
    is_asked = choice == "required" or body["messages"][-1]["role"] == "user"
    return functions[0] if functions and is_asked and choice != "none" else None


def _fill(schema: dict[str, Any], text: str, definitions: Any = None) -> Any:
    """A value that a schema allows: numbers of the text, its quoted words, or itself."""
    known = definitions or schema.get("$defs") or {}
    if "$ref" in schema:
        return _fill(known[schema["$ref"].rpartition("/")[2]], text, known)
    if "anyOf" in schema:
        return _fill(schema["anyOf"][0], text, known)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        fields = schema.get("properties") or {}
        return {name: _fill(field, text, known) for name, field in fields.items()}
    if kind == "array":
        return [_fill(schema.get("items") or {}, text, known)]
    if kind in ("integer", "number"):
        found = re.search(r"\d+", text)
        return int(found[0]) if found else 0
    if kind == "boolean":
        return True
    quoted = re.search(r"'([^']+)'", text)
    return quoted[1] if quoted else text or "words"


def _last_text(body: dict[str, Any]) -> str:
    """The text of the last user message."""
    contents = [one["content"] for one in body["messages"] if one["role"] == "user"]
    last = contents[-1] if contents else ""
    return last if isinstance(last, str) else " ".join(part.get("text", "") for part in last)


def _usage(body: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    prompt = sum(len(json.dumps(one).split()) for one in body["messages"])
    words = len((message["content"] or "a call of a function").split())
    details = {"prompt_tokens_details": {"cached_tokens": 0}}
    total = {"total_tokens": prompt + words, **details}
    return {"prompt_tokens": prompt, "completion_tokens": words, **total}


def _deltas(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts in which a message is streamed, as vLLM does."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in re.findall(r"\S+\s*", message.get("content") or "")]
    for index, call in enumerate(message.get("tool_calls") or []):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        begun = {**call, "index": index, "function": {"name": name, "arguments": ""}}
        parts = [arguments[at : at + 5] for at in range(0, len(arguments), 5)]
        deltas.append({"tool_calls": [begun]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in parts
        ]
    return deltas


async def _send(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    data = json.dumps({**chunk, "object": "chat.completion.chunk"}, ensure_ascii=False)
    await response.write(f"data: {data}\n\n".encode())
