"""Handlers of the constant upstream: OpenAI-compatible, and the Open Inference Protocol.

A prompt has one token per word, an answer as many as `max_tokens` asks for. The responses have the
fields of vLLM and of this project's specialists.
"""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from load.constant_upstream.engine import Engine

_WORD = " spindle"
_DIMENSIONS = 384
_USUAL_TOKENS = 32
_VECTOR = [1.0] + [0.0] * (_DIMENSIONS - 1)


class Handlers:
    """Request handlers of the endpoints. Specialists declare the `signature`."""

    signature: Mapping[str, Any] = {"inputs": []}

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    async def metadata(self, request: web.Request) -> web.Response:
        declared = {"signature": self.signature}
        name = request.match_info["name"]
        return web.json_response(
            {"name": name, "inputs": [], "outputs": [], "parameters": declared}
        )

    async def running(self, _request: web.Request) -> web.Response:
        """Return the numbers of running and queued generations, for monitoring."""
        engine = self._engine
        return web.json_response({"running": engine.running, "waiting": engine.waiting})

    async def embeddings(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data = [
            {"object": "embedding", "index": index, "embedding": _VECTOR}
            for index in range(len(texts))
        ]
        usage = _usage(sum(len(str(text).split()) for text in texts), 0)
        return web.json_response(
            {"object": "list", "model": body["model"], "data": data, "usage": usage}
        )

    async def infer(self, request: web.Request) -> web.Response:
        raw = await request.read()
        length = request.headers.get("inference-header-content-length")
        header = json.loads(raw if length is None else raw[: int(length)])
        rows = header["inputs"][0]["shape"][0]
        output = {"name": "failure", "datatype": "INT64", "shape": [rows], "data": [0] * rows}
        return web.json_response({"model_name": request.match_info["name"], "outputs": [output]})

    async def generate(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        prompt = _prompt_tokens(body)
        tokens = int(body.get("max_tokens") or body.get("max_completion_tokens") or _USUAL_TOKENS)
        chat = "messages" in body
        if body.get("stream"):
            return await self._stream(request, body, prompt, tokens)
        async for _ in self._engine.generate(prompt, tokens):
            pass
        return web.json_response(_answer(body, prompt, tokens, chat))

    async def _stream(
        self, request: web.Request, body: Mapping[str, Any], prompt: int, tokens: int
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        stream_options = body.get("stream_options") or {}
        sent = 0
        async for count in self._engine.generate(prompt, tokens):
            chunk = _chunk(body, count - sent, count == tokens)
            if stream_options.get("continuous_usage_stats"):
                chunk["usage"] = _usage(prompt, count)
            await response.write(_event(chunk))
            sent = count
        if stream_options.get("include_usage"):
            last = {"id": "c", "model": body["model"], "choices": []}
            await response.write(_event({**last, "usage": _usage(prompt, tokens)}))
        await response.write(b"data: [DONE]\n\n")
        return response


def _prompt_tokens(body: Mapping[str, Any]) -> int:
    if "messages" not in body:
        return len(str(body.get("prompt", "")).split())
    return sum(len(str(message["content"]).split()) for message in body["messages"])


def _chunk(body: Mapping[str, Any], tokens: int, last: bool) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": "length" if last else None}
    text = _WORD * tokens
    choice.update({"delta": {"content": text}} if "messages" in body else {"text": text})
    frame = {"id": "c", "object": "chat.completion.chunk", "model": body["model"]}
    return {**frame, "choices": [choice]}


def _answer(body: Mapping[str, Any], prompt: int, tokens: int, chat: bool) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": "length"}
    text = _WORD * tokens
    choice.update({"message": {"role": "assistant", "content": text}} if chat else {"text": text})
    return {
        "id": "c",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1,
        "model": body["model"],
        "choices": [choice],
        "usage": _usage(prompt, tokens),
    }


def _usage(prompt: int, tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": tokens,
        "total_tokens": prompt + tokens,
    }


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"
