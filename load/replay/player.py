"""Playing: each call is sent when it is due, whether or not the others were answered.

Times count from when a call was due, not from when a busy client came to send it: who waits to be
sent waits.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from load.mixed_day.stream_timing import StreamBroken, Timing
from load.replay.schedule import Due

_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a call. `refusal` is empty where it was answered whole."""

    due: Due
    late_s: float
    first_s: float | None
    total_s: float
    each_s: float | None
    refusal: str = ""

    @property
    def whole(self) -> bool:
        return not self.refusal


@dataclass(frozen=True, slots=True)
class Target:
    """Where calls go: an address, a model, and each tenant's key."""

    url: str
    model: str
    keys: Mapping[str, str]


async def play(
    target: Target, due: Sequence[Due], abandoned: frozenset[str] = frozenset()
) -> list[Played]:
    """All of them. Calls of `abandoned` tenants are left alone once all others are answered."""
    connector = aiohttp.TCPConnector(limit=0)
    patience = aiohttp.ClientTimeout(total=_PATIENCE_S)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as http:
        began = time.perf_counter() + 0.2
        tasks = [
            asyncio.create_task(_one(http, target, number, one, began))
            for number, one in enumerate(due)
        ]
        others = [t for t, one in zip(tasks, due, strict=True) if one.tenant not in abandoned]
        done = await asyncio.gather(*others)
        for task in tasks:
            task.cancel()
        rest = [task for task in tasks if task not in set(others)]
        left = await asyncio.gather(*rest, return_exceptions=True)
    return [*done, *(one for one in left if isinstance(one, Played))]


async def _one(
    http: aiohttp.ClientSession, target: Target, number: int, due: Due, began: float
) -> Played:
    when = began + due.arrival.at_s
    await asyncio.sleep(when - time.perf_counter())
    timing = Timing(when)
    late = time.perf_counter() - when
    headers = {"authorization": f"Bearer {target.keys[due.tenant]}"}
    try:
        refusal = await _ask(http, target, headers, _body(target.model, number, due), timing)
    except (aiohttp.ClientError, TimeoutError, StreamBroken) as error:
        refusal = type(error).__name__
    total = time.perf_counter() - when
    first, each = timing.first_token_ms, timing.each_token_ms
    return Played(
        due,
        late,
        None if first is None else first / 1000,
        total,
        None if each is None else each / 1000,
        refusal,
    )


async def _ask(
    http: aiohttp.ClientSession,
    target: Target,
    headers: Mapping[str, str],
    body: Mapping[str, object],
    timing: Timing,
) -> str:
    """Why there was no answer; empty where there was."""
    url = f"{target.url}/v1/chat/completions"
    async with http.post(url, json=body, headers=headers) as answer:
        if answer.status != 200:
            return str((await answer.json())["error"]["code"])
        async for line in answer.content:
            timing.line(line.strip())
    return "" if timing.whole else "broken"


def _body(model: str, number: int, due: Due) -> dict[str, object]:
    # The number first, so that no cache of prefixes answers for the engine.
    prompt = f"{number}" + " w" * (due.arrival.input_tokens - 1)
    return {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": due.arrival.output_tokens,
        "service_tier": due.tier,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
