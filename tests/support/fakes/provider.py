"""A fake provider: an OpenAI-compatible server that requires an API key and knows its own names.

It reports usage at the end of a stream only, and refuses fields that OpenAI's API does not have.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.fakes.listening import listening

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
_KNOWN = frozenset({"model", "messages", "max_tokens", "stream", "stream_options", "input"})
_EFFORTS = frozenset({"low", "medium", "high"})


@dataclass
class FakeProvider:
    """The base URL, what was received, and what is answered.

    `status` other than 200 is answered to calls, `check_status` to the listing of models. Responses
    pause until `resumed` is set, from the request with the number `pauses_from` on.
    """

    url: str = ""
    key: str = "sk-secret-of-the-provider"
    status: int = 200
    check_status: int = 200
    received: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    checks: int = 0
    resumed: asyncio.Event = field(default_factory=asyncio.Event)
    pauses_from: int = 1
    says: list[str] = field(default_factory=list)  # one each, then something made up
    untold: bool = False  # it reports no usage, whatever the request says


@asynccontextmanager
async def run_fake_provider() -> AsyncIterator[FakeProvider]:
    """Serve until the block ends; its base URL ends in `/api/v3`."""
    fake = FakeProvider()
    fake.resumed.set()
    app = web.Application()

    def is_authorized(request: web.Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {fake.key}"

    async def models(request: web.Request) -> web.Response:
        fake.checks += 1
        status = fake.check_status if is_authorized(request) else 401
        return web.json_response({"object": "list", "data": []}, status=status)

    async def chat(request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        fake.received.append(body)
        fake.headers.append({name.lower(): value for name, value in request.headers.items()})
        if not body.get("stream"):
            await _pause(fake)
        status = fake.status if is_authorized(request) else 401
        if status != 200:
            location = {"location": f"{fake.url}/elsewhere"} if status == 302 else {}
            error = {"message": f"refused with {fake.key}", "type": "x", "code": None}
            return web.json_response({"error": error}, status=status, headers=location)
        unknown = body.keys() - _KNOWN
        if body.get("reasoning_effort") in _EFFORTS:  # no other one, as most providers
            unknown -= {"reasoning_effort"}
        if unknown or body.get("stream_options", {}).keys() - {"include_usage"}:
            return web.json_response({"error": {"message": f"unknown {unknown}"}}, status=400)
        if body.get("stream"):
            return await _stream(request, body, fake)
        return web.json_response(_answer(body, fake))

    app.router.add_get("/api/v3/models", models)
    app.router.add_post("/api/v3/chat/completions", chat)
    async with listening(app) as url:
        fake.url = f"{url}/api/v3"
        yield fake


async def _pause(fake: FakeProvider) -> None:
    if len(fake.received) >= fake.pauses_from:
        await fake.resumed.wait()


def _next_text(fake: FakeProvider) -> str:
    return fake.says.pop(0) if fake.says else "from the provider"


def _answer(body: dict[str, Any], fake: FakeProvider) -> dict[str, Any]:
    message = {"role": "assistant", "content": _next_text(fake)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "p", "object": "chat.completion", "model": body["model"]}
    usage = {} if fake.untold else {"usage": USAGE}
    return {**head, "choices": [choice], **usage}


async def _stream(
    request: web.Request, body: dict[str, Any], fake: FakeProvider
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    head = {"id": "p", "object": "chat.completion.chunk", "model": body["model"]}
    for word in _next_text(fake).split():
        chunk = {**head, "choices": [{"index": 0, "delta": {"content": f"{word} "}}]}
        await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await _pause(fake)
    if not fake.untold:
        usage = {**head, "choices": [], "usage": USAGE}
        await response.write(f"data: {json.dumps(usage)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response
