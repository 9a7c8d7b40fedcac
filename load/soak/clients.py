"""The load of a soak: plain calls, streams, embeddings and predictions at a steady rate, and how
fast the service can be called at all.

Owns the calls, and the account of what came back: the id of each answer that arrived whole goes
into a file, so that an hour of them needs no memory. Failures are told with when they came.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import aiohttp

from load.deployment.firms import Firm

_MOST_AT_ONCE = 400
_PATIENCE_S = 60.0
_WORDS = "a spindle bearing runs hot after a change of grease".split()


@dataclass
class Account:
    """What clients saw so far."""

    answered: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    not_sent: int = 0

    def recent_ms(self, part: float) -> float | None:
        """A percentile of the newest thousand."""
        newest = sorted(self.latencies[-1000:])
        return 1000 * newest[int(part * (len(newest) - 1))] if newest else None


class Clients:
    """Call gateways until told to stop. `urls` gives those that take calls at the moment."""

    def __init__(
        self, urls: Callable[[], Sequence[str]], firms: Sequence[Firm], answers: Path, seed: int
    ) -> None:
        self._urls = urls
        self._firms = firms
        self._chance = random.Random(seed)
        self._answers: IO[str] = answers.open("a", encoding="ascii")
        self._began = time.monotonic()
        self._stopping = False
        self._models: dict[str, str] = {}
        self.account = Account()

    def stop(self) -> None:
        """Begin no other calls."""
        self._stopping = True

    async def steady(self, rate: float) -> None:
        """So many calls a second at random moments, until `stop`; then the last ones end."""
        self._began, running = time.monotonic(), set[asyncio.Task[None]]()
        async with _session() as http:
            self._models = await _models(http, self._urls()[0], self._firms[0].key)
            due = time.monotonic()
            while not self._stopping:
                due += self._chance.expovariate(rate)
                await asyncio.sleep(due - time.monotonic())
                if len(running) >= _MOST_AT_ONCE:
                    self.account.not_sent += 1
                    continue
                task = asyncio.create_task(self._call(http))
                running.add(task)
                task.add_done_callback(running.discard)
            await asyncio.gather(*running)
        self.flush()

    async def saturate(self, connections: int, seconds: float) -> float:
        """Answers a second where so many call again as soon as they are answered."""
        async with _session() as http:
            self._models = await _models(http, self._urls()[0], self._firms[0].key)
            for span in (seconds / 4, seconds):  # the first to warm up
                before, began = self.account.answered, time.monotonic()
                await asyncio.gather(*(self._again(http, began + span) for _ in range(connections)))
                rate = (self.account.answered - before) / (time.monotonic() - began)
        self.flush()
        return rate

    def flush(self) -> None:
        """What was answered is in the file."""
        self._answers.flush()

    def close(self) -> None:
        """After the last call."""
        self._answers.close()

    async def _again(self, http: aiohttp.ClientSession, until: float) -> None:
        while time.monotonic() < until:
            await self._call(http)

    async def _call(self, http: aiohttp.ClientSession) -> None:
        began = time.monotonic()
        try:
            path, body = self._wish()
            firm, url = self._chance.choice(self._firms), self._chance.choice(self._urls())
            headers = {"authorization": f"Bearer {firm.key}"}
            async with http.post(url + path, json=body, headers=headers) as answer:
                self._count(answer, await answer.read(), began)
        except (aiohttp.ClientError, TimeoutError, IndexError) as error:
            self._fail(type(error).__name__)

    def _count(self, answer: aiohttp.ClientResponse, content: bytes, began: float) -> None:
        if answer.status != 200:
            self._fail(_code(content))
        elif answer.content_type == "text/event-stream" and not content.endswith(b"[DONE]\n\n"):
            self._fail("broken stream")
        else:
            self.account.answered += 1
            self._answers.write(answer.headers["x-request-id"].partition("_")[2] + "\n")
            self.account.latencies.append(time.monotonic() - began)
            del self.account.latencies[:-2000]

    def _fail(self, why: str) -> None:
        """Now, not when it began: what was under way fails by what happens."""
        self.account.failures.append((time.monotonic() - self._began, why))

    def _wish(self) -> tuple[str, dict[str, Any]]:
        """One of what a firm calls."""
        kind = self._chance.random()
        words = " ".join(self._chance.choices(_WORDS, k=self._chance.randrange(5, 40)))
        if kind < 0.2:
            rows = [{"type": "L", "torque": self._chance.uniform(20, 70)} for _ in range(4)]
            return "/v1/predictions", {"model": self._models["classification"], "instances": rows}
        if kind < 0.3:
            return "/v1/embeddings", {"model": self._models["embedding"], "input": [words]}
        body = {
            "model": self._models["text-generation"],
            "messages": [{"role": "user", "content": words}],
            "max_tokens": self._chance.randrange(4, 24),
            "stream": kind < 0.5,
        }
        return "/v1/chat/completions", body


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=_PATIENCE_S)
    )


async def _models(http: aiohttp.ClientSession, url: str, key: str) -> dict[str, str]:
    """The first of each task."""
    async with http.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"}) as answer:
        listed = (await answer.json())["data"]
    return {one["task"]: one["id"] for one in reversed(listed)}


def _code(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "no error of ours"
