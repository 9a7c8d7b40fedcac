"""Clients of calls with linked calls: hosted tools, whole and streamed, and decisions.

Each call has a number, which is a tag of its usage rows. Every second one has an Idempotency-Key
and is repeated until it is answered.
"""

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from billing.money import nano_from_text
from gateway.inference.endpoints.predictions import EXAMPLE_ROW
from tests.support.builders import CHAT, INDUSTRIAL, SPECIALIST
from tests.support.fakes.first_tokens import choosing
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.milling_model import serve_milling_inputs

_PATIENCE_S = 180
_QUESTIONS = 20
TAG = "call"
_DIRECT = "Torque 65 Nm at 1300 rpm: will it fail?"
# One number has no unit, so the language model is asked for its column.
_LOOPED = "1300 rpm and 65 at the spindle. Will it fail?"
_CHANCES = {"true": 0.9, "false": 0.1}
# The language model also asks another one.
_ASKED = (f"ask_{INDUSTRIAL}", '{"question": "Spindel?"}')


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client has received whole; `request_id` is None if it was replayed."""

    request_id: str | None
    cost_nano: int | None
    record_ids: tuple[str, ...]


@dataclass
class LinkedClients:
    """Clients that call the gateways until `stop`. `urls` returns the running ones."""

    urls: Callable[[], list[str]]
    secret: str
    answered: dict[int, Answered] = field(default_factory=dict)
    sent: int = 0
    broken: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)
    _is_stopping: bool = False

    async def run(self, each: int) -> None:
        """Run a number of clients at a time until `stop`."""
        limits, headers = httpx.Limits(), {"authorization": f"Bearer {self.secret}"}
        async with (
            httpx.AsyncClient(headers=headers, timeout=_PATIENCE_S, limits=limits) as http,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(each):
                group.create_task(self._go_on(http))

    def stop(self) -> None:
        """Start no more calls; those with a key are repeated until they are answered."""
        self._is_stopping = True

    async def _go_on(self, http: httpx.AsyncClient) -> None:
        while not self._is_stopping:
            await self._call(http, next(self._numbers))

    async def _call(self, http: httpx.AsyncClient, number: int) -> None:
        """Make one call; one with a key, again and again until it is answered."""
        has_key = number % 2 == 0
        path, body = _request(number)
        headers = {"x-maas-tags": f"{TAG}={number}"}
        headers |= {"idempotency-key": f"call {number}"} if has_key else {}
        while not await self._try(http, number, path, body, headers):
            await asyncio.sleep(0.2)
            if not has_key:
                return

    async def _try(
        self, http: httpx.AsyncClient, number: int, path: str, body: Any, headers: Any
    ) -> bool:
        """Send a call once; whether it was answered whole."""
        urls = self.urls()
        if not urls:
            return False
        self.sent += 1
        try:
            answer = await http.post(f"{urls[0]}{path}", json=body, headers=headers)
        except httpx.HTTPError:
            self.broken += 1
            return False
        if answer.status_code != 200:
            code = answer.json()["error"]["code"]
            self.refused[code] = self.refused.get(code, 0) + 1
            return False
        found = _read(answer)
        if found is not None:
            self.answered[number] = found
        return found is not None


def prepare(upstream: FakeUpstream) -> None:
    """Make the model server a specialist with two columns, and models that call each other."""
    serve_milling_inputs(upstream)
    upstream.calls = [(SPECIALIST, '{"torque": 65}'), _ASKED] * 50_000
    upstream.chances = choosing(_CHANCES)
    upstream.predicts = {"failure_probability": 0.93, "failure": 1}
    upstream.says = "I would say so."
    upstream.delay_s = 0.04


def _request(number: int) -> tuple[str, dict[str, Any]]:
    """Path and body of a call: every fifth is a decision, the others chats with a specialist."""
    if number % 5 == 4:
        readings = {"type": "input_json", "data": EXAMPLE_ROW}
        specialist = {"model": SPECIALIST, "output": "failure"}
        fails = {"type": "predicate", "instructions": "It will fail.", "specialist": specialist}
        leak = {"type": "predicate", "instructions": "The pump leaks."}
        content = [{"role": "user", "content": [readings]}]
        questions = [fails, *([leak] * _QUESTIONS)]
        return "/v1/decisions", {"model": CHAT, "input": content, "questions": questions}
    text = _LOOPED if number % 3 else _DIRECT
    is_streamed = {"stream": True, "stream_options": {"include_usage": True}}
    return "/v1/chat/completions", {
        "model": CHAT,
        "messages": [{"role": "user", "content": text}],
        "tools": [{"type": "specialist", "models": [SPECIALIST, INDUSTRIAL], "max_calls": 2}],
        "max_tokens": 20,
        **(is_streamed if number % 4 < 2 else {}),
    }


def _read(answer: httpx.Response) -> Answered | None:
    """What a response has; None if it is a stream that did not end."""
    fields: dict[str, Any] = {}
    if answer.headers["content-type"].startswith("text/event-stream"):
        if not answer.text.endswith("data: [DONE]\n\n"):
            return None
        for line in answer.text.split("\n\n")[:-2]:
            fields |= json.loads(line.removeprefix("data: ")) if line.startswith("data: {") else {}
    else:
        fields = answer.json()
    cost = fields.get("x_maas_cost", answer.headers.get("x-maas-cost"))
    records = tuple(one["id"] for one in fields.get("x_maas_decisions", ()) if one["id"])
    is_replayed = "idempotent-replayed" in answer.headers
    return Answered(
        None if is_replayed else answer.headers["x-request-id"],
        None if cost is None else nano_from_text(cost),
        records,
    )
