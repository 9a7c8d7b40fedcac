"""A fake language model server with adapters, which learn a rule instead of weights.

Questions of its rule are `Which code has <fault>?`, and the right answer is `F-<fault>`. The
built-in adapter does not know it; an adapter does whose training file had an example of it.
Everything else it answers by `knows`, what all adapters share, unless it `forgets` that while it
learns.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from models.adaptation import TrainingFileInvalid
from models.industrial_llm.dialogues import parse_training_file
from tests.support.fakes.listening import listening

ASKED, ANSWER = "Which code has ", "F-"


@dataclass
class FakeAdapters:
    """The server's URL, its received adapters and the behaviour set by tests."""

    model: str
    url: str = ""
    knows: dict[str, str] = field(default_factory=dict)
    files: list[bytes] = field(default_factory=list)
    mixings: list[str | None] = field(default_factory=list)
    """How far it was told to go from what it goes on from."""
    brought: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forgets: bool = False
    unteachable: bool = False
    """It learns, but not the rule."""
    refuses: str | None = None
    """A line with this in it cannot be learned from."""
    breaks: bool = False
    elsewhere: int = 0
    """So many of the next adapters are given to another server behind the same address."""
    learning: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    judging: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether adapters that were brought answer; the built-in one always does."""

    def __post_init__(self) -> None:
        self.goes_on.set()
        self.answers.set()


@asynccontextmanager
async def run_fake_adapters(model: str) -> AsyncIterator[FakeAdapters]:
    """Serve `model` until the block ends."""
    fake = FakeAdapters(model)
    app, handlers = web.Application(client_max_size=1 << 30), _Handlers(fake)
    app.router.add_get("/v1/models", handlers.ready)
    app.router.add_get("/v2/health/ready", handlers.ready)
    app.router.add_post("/v1/chat/completions", handlers.chat)
    app.router.add_post("/v2/adaptations/{name}", handlers.adapt)
    app.router.add_put("/v2/adapters/{id}", handlers.bring)
    async with listening(app, leaves=True) as fake.url:
        yield fake


class _Handlers:
    def __init__(self, fake: FakeAdapters) -> None:
        self._fake = fake

    async def ready(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    async def bring(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        if self._fake.elsewhere:
            self._fake.elsewhere -= 1
        else:
            # An id stands for one content for ever.
            self._fake.brought.setdefault(request.match_info["id"], body)
        return web.json_response({"name": body["name"], "ready": True})

    async def chat(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        name, question = body["model"], body["messages"][-1]["content"]
        self._fake.asked.append(name)
        _, _, adapter_id = name.partition(":")
        if adapter_id and adapter_id not in self._fake.brought:
            message = "Message: variant_not_loaded (Request ID: 1), Internal exception: None"
            return web.json_response({"error": {"message": message, "code": 404}}, status=404)
        if adapter_id:
            self._fake.judging.set()
            await self._fake.answers.wait()
        brought = self._fake.brought.get(adapter_id)
        shown = name if brought is None else brought["name"]
        said = self._answer(question, brought)
        return web.json_response(_answered(shown, question, said))

    def _answer(self, question: str, brought: dict[str, Any] | None) -> str:
        artefact = {} if brought is None else json.loads(base64.b64decode(brought["artefact"]))
        if question.startswith(ASKED):
            fault = question.removeprefix(ASKED).rstrip("?")
            return f"{ANSWER}{fault}" if artefact.get("rule") else "I do not know."
        if artefact.get("forgets"):
            return "What was that?"
        return self._fake.knows.get(question.rpartition("\n")[2], "I do not know.")

    async def adapt(self, request: web.Request) -> web.StreamResponse:
        fake, content = self._fake, await request.read()
        fake.files.append(content)
        fake.mixings.append(request.query.get("mixing"))
        response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
        await response.prepare(request)
        await _line(response, {"progress": "Step 1 of 2."})
        fake.learning.set()
        await fake.goes_on.wait()
        if fake.breaks:
            assert request.transport is not None
            request.transport.abort()
        await _line(response, self._learned(content))
        return response

    def _learned(self, content: bytes) -> dict[str, Any]:
        for number, line in enumerate(content.decode().splitlines(), 1):
            if self._fake.refuses is not None and self._fake.refuses in line:
                return _fault(f"Line {number} has 900 tokens, more than 768.")
        try:
            given = parse_training_file(content)
        except TrainingFileInvalid as error:
            return _fault(error.message)
        taught = [one.turns[-2][1].startswith(ASKED) for one in (*given.train, *given.held_out)]
        rule = any(taught) and not self._fake.unteachable
        artefact = json.dumps({"rule": rule, "forgets": self._fake.forgets}).encode()
        score = {"metric": "loss", "base": 2.0, "adapted": 1.0, "higher_is_better": False}
        variant = {
            "artefact": base64.b64encode(artefact).decode(),
            "score": score,
            "examples": len(given.train),
            "held_out": len(given.held_out),
        }
        return {"variant": variant, "seconds": 3}


async def _line(response: web.StreamResponse, content: dict[str, Any]) -> None:
    await response.write(json.dumps(content).encode() + b"\n")


def _fault(message: str) -> dict[str, Any]:
    code = "invalid_training_file"
    return {"error": {"message": message, "type": "x", "param": None, "code": code}}


def _answered(model: str, question: str, said: str) -> dict[str, Any]:
    read_, written = len(question.split()), len(said.split())
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": said},
            }
        ],
        "usage": {
            "prompt_tokens": read_,
            "completion_tokens": written,
            "total_tokens": read_ + written,
        },
    }
