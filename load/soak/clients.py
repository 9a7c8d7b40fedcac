"""Clients of a soak test: chats, streams, embeddings and predictions at a constant rate.

The ids of complete answers go to a file, so that memory does not grow with the run. Failures are
recorded with their time.
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

_MAX_CONCURRENCY = 400
_TIMEOUT_S = 60.0
_WORDS = "a spindle bearing runs hot after a change of grease".split()


@dataclass
class ClientStats:
    """Results of the clients so far; `failures` are times in seconds and error codes."""

    answered: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    not_sent: int = 0

    def recent_ms(self, share: float) -> float | None:
        """Return a quantile of the newest thousand latencies in milliseconds."""
        newest = sorted(self.latencies[-1000:])
        return 1000 * newest[int(share * (len(newest) - 1))] if newest else None


class Clients:
    """Call gateways until stopped. `urls` returns the gateways that accept calls now."""

    def __init__(
        self, urls: Callable[[], Sequence[str]], firms: Sequence[Firm], answers: Path, seed: int
    ) -> None:
        self._urls = urls
        self._firms = firms
        self._rng = random.Random(seed)
        self._answers: IO[str] = answers.open("a", encoding="ascii")
        self._began = time.monotonic()
        self._stopping = False
        self._models: dict[str, str] = {}
        self.stats = ClientStats()

    def stop(self) -> None:
        """Start no further calls."""
        self._stopping = True

    async def run_at_rate(self, rate: float) -> None:
        """Call at random times with this rate until `stop`, then wait for the last answers."""
        self._began, running = time.monotonic(), set[asyncio.Task[None]]()
        async with _session() as http:
            self._models = await _models(http, self._urls()[0], self._firms[0].key)
            due = time.monotonic()
            while not self._stopping:
                due += self._rng.expovariate(rate)
                await asyncio.sleep(due - time.monotonic())
                if len(running) >= _MAX_CONCURRENCY:
                    self.stats.not_sent += 1
                    continue
                task = asyncio.create_task(self._call(http))
                running.add(task)
                task.add_done_callback(running.discard)
            await asyncio.gather(*running)
        self.flush()

    async def saturate(self, connections: int, seconds: float) -> float:
        """Return the answers per second with this number of connections that call without pause."""
        async with _session() as http:
            self._models = await _models(http, self._urls()[0], self._firms[0].key)
            for span in (seconds / 4, seconds):  # the first is a warm-up
                before, began = self.stats.answered, time.monotonic()
                await asyncio.gather(
                    *(self._call_repeatedly(http, began + span) for _ in range(connections))
                )
                rate = (self.stats.answered - before) / (time.monotonic() - began)
        self.flush()
        return rate

    def flush(self) -> None:
        """Write the ids of answered calls to the file."""
        self._answers.flush()

    def close(self) -> None:
        """Close the file, after the last call."""
        self._answers.close()

    async def _call_repeatedly(self, http: aiohttp.ClientSession, until: float) -> None:
        while time.monotonic() < until:
            await self._call(http)

    async def _call(self, http: aiohttp.ClientSession) -> None:
        began = time.monotonic()
        try:
            path, body = self._random_request()
            firm, url = self._rng.choice(self._firms), self._rng.choice(self._urls())
            headers = {"authorization": f"Bearer {firm.key}"}
            async with http.post(url + path, json=body, headers=headers) as answer:
                self._count(answer, await answer.read(), began)
        except (aiohttp.ClientError, TimeoutError, IndexError) as error:
            self._fail(type(error).__name__)

    def _count(self, answer: aiohttp.ClientResponse, content: bytes, began: float) -> None:
        if answer.status != 200:
            self._fail(_error_code(content))
        elif answer.content_type == "text/event-stream" and not content.endswith(b"[DONE]\n\n"):
            self._fail("broken stream")
        else:
            self.stats.answered += 1
            self._answers.write(answer.headers["x-request-id"].partition("_")[2] + "\n")
            self.stats.latencies.append(time.monotonic() - began)
            del self.stats.latencies[:-2000]

    def _fail(self, reason: str) -> None:
        """Record a failure at its end: the fault that caused it may begin after the call."""
        self.stats.failures.append((time.monotonic() - self._began, reason))

    def _random_request(self) -> tuple[str, dict[str, Any]]:
        """Return the path and body of a random request."""
        kind = self._rng.random()
        words = " ".join(self._rng.choices(_WORDS, k=self._rng.randrange(5, 40)))
        if kind < 0.2:
            rows = [{"type": "L", "torque": self._rng.uniform(20, 70)} for _ in range(4)]
            return "/v1/predictions", {"model": self._models["classification"], "instances": rows}
        if kind < 0.3:
            return "/v1/embeddings", {"model": self._models["embedding"], "input": [words]}
        body = {
            "model": self._models["text-generation"],
            "messages": [{"role": "user", "content": words}],
            "max_tokens": self._rng.randrange(4, 24),
            "stream": kind < 0.5,
        }
        return "/v1/chat/completions", body


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)
    )


async def _models(http: aiohttp.ClientSession, url: str, key: str) -> dict[str, str]:
    """Return the first model of each task."""
    async with http.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"}) as answer:
        listed = (await answer.json())["data"]
    return {one["task"]: one["id"] for one in reversed(listed)}


def _error_code(content: bytes) -> str:
    """Return the error code of a response body."""
    try:
        return str(json.loads(content)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "no error of ours"
