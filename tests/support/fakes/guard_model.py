"""A fake provider of moderation: `/v1/moderations`, and a guard model that answers chats."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.fakes.listening import listening

# The hazard that Llama Guard reports for a text with the word, and OpenAI's category.
HAZARDS = {"bomb": ("S9", "illicit/violent"), "insult": ("S10", "hate")}
# What Qwen3Guard reports for it: the label, and the names of categories.
LABELS = {
    "bomb": ("Unsafe", "Violent, Non-violent Illegal Acts"),
    "insult": ("Controversial", "Unethical Acts"),
}
# The model that answers as Qwen3Guard; others answer as Llama Guard.
LABELLING = "their-qwen-guard"


@dataclass
class FakeGuardModel:
    """The base URL, what was received, and how it answers.

    `says` replaces the guard model's verdict. With `hangs`, no request is answered.
    """

    url: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    says: str | None = None
    hangs: bool = False

    @property
    def texts(self) -> list[str]:
        """The texts that guards were asked about, the newest message of each."""
        return [one["messages"][-1]["content"] for one in self.received if "messages" in one]


@asynccontextmanager
async def run_fake_guard_model() -> AsyncIterator[FakeGuardModel]:
    """Serve until the block ends."""
    fake = FakeGuardModel()

    async def take(request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(await request.read())
        fake.received.append(body)
        if fake.hangs:
            await asyncio.get_running_loop().create_future()
        return body

    async def moderations(request: web.Request) -> web.Response:
        body = await take(request)
        whole = isinstance(body["input"][0], dict)
        inputs = [json.dumps(body["input"])] if whole else body["input"]
        results = [_result(text) for text in inputs]
        answer = {"id": "modr-theirs", "model": body["model"], "results": results, "trace": "t"}
        return web.json_response(answer, status=fake.status)

    async def chat(request: web.Request) -> web.Response:
        body = await take(request)
        verdict = _labelled(body) if body["model"] == LABELLING else _coded(body)
        message = {"role": "assistant", "content": fake.says or verdict}
        usage = {"prompt_tokens": 200, "completion_tokens": 3, "total_tokens": 203}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        answer = {"id": "c", "model": body["model"], "choices": choices, "usage": usage}
        return web.json_response(answer, status=fake.status)

    app = web.Application()
    app.router.add_post("/v1/moderations", moderations)
    app.router.add_post("/v1/chat/completions", chat)
    async with listening(app, leaves=True) as url:
        fake.url = f"{url}/v1"
        yield fake


def _coded(body: dict[str, Any]) -> str:
    """A verdict in the words of Llama Guard, after two line breaks."""
    content = json.dumps(body["messages"][-1]["content"])
    found = [code for word, (code, _) in HAZARDS.items() if word in content]
    return "\n\n" + ("unsafe\n" + ",".join(found) if found else "safe")


def _labelled(body: dict[str, Any]) -> str:
    """A verdict in the words of Qwen3Guard; about an answer, it has a third line."""
    last = body["messages"][-1]
    words = (word for word in LABELS if word in json.dumps(last["content"]))
    safety, categories = LABELS.get(next(words, ""), ("Safe", "None"))
    refusal = "\nRefusal: No" if last["role"] == "assistant" else ""
    return f"Safety: {safety}\nCategories: {categories}{refusal}"


def _result(text: str) -> dict[str, Any]:
    """A result in OpenAI's shape, with few categories."""
    found = {category: word in text for word, (_, category) in HAZARDS.items()}
    scores = {category: 0.9 if is_found else 0.1 for category, is_found in found.items()}
    return {"flagged": any(found.values()), "categories": found, "category_scores": scores}
