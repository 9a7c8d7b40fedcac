"""Send each call at its scheduled time, whether or not earlier calls were answered.

Latency counts from the scheduled time, so that delays in this client are included.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from load.mixed_day.stream_timing import StreamFailed, StreamTiming
from load.replay.schedule import ScheduledCall

_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The result of a call; `error_code` is empty if it was answered completely. Times are in
    seconds."""

    scheduled: ScheduledCall
    send_delay_s: float
    first_token_s: float | None
    total_s: float
    token_interval_s: float | None
    error_code: str = ""

    @property
    def is_complete(self) -> bool:
        """Return whether the call was answered completely."""
        return not self.error_code


@dataclass(frozen=True, slots=True)
class ReplayTarget:
    """The service under test: URL, model, and the API key of each tenant."""

    url: str
    model: str
    keys: Mapping[str, str]


async def send_calls(
    target: ReplayTarget,
    scheduled: Sequence[ScheduledCall],
    abandoned: frozenset[str] = frozenset(),
) -> list[CallOutcome]:
    """Send all calls and return their outcomes.

    Calls of `abandoned` tenants are cancelled once all others are answered.
    """
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        began = time.perf_counter() + 0.2
        tasks = [
            asyncio.create_task(_send_call(http, target, number, one, began))
            for number, one in enumerate(scheduled)
        ]
        others = [t for t, one in zip(tasks, scheduled, strict=True) if one.tenant not in abandoned]
        done = await asyncio.gather(*others)
        for task in tasks:
            task.cancel()
        rest = [task for task in tasks if task not in set(others)]
        left = await asyncio.gather(*rest, return_exceptions=True)
    return [*done, *(one for one in left if isinstance(one, CallOutcome))]


async def _send_call(
    http: aiohttp.ClientSession,
    target: ReplayTarget,
    number: int,
    scheduled: ScheduledCall,
    began: float,
) -> CallOutcome:
    when = began + scheduled.arrival.at_s
    await asyncio.sleep(when - time.perf_counter())
    timing = StreamTiming(when)
    late = time.perf_counter() - when
    headers = {"authorization": f"Bearer {target.keys[scheduled.tenant]}"}
    try:
        error_code = await _stream_answer(
            http, target, headers, _body(target.model, number, scheduled), timing
        )
    except (aiohttp.ClientError, TimeoutError, StreamFailed) as error:
        error_code = type(error).__name__
    total = time.perf_counter() - when
    first, each = timing.first_token_ms, timing.token_interval_ms
    return CallOutcome(
        scheduled,
        late,
        None if first is None else first / 1000,
        total,
        None if each is None else each / 1000,
        error_code,
    )


async def _stream_answer(
    http: aiohttp.ClientSession,
    target: ReplayTarget,
    headers: Mapping[str, str],
    body: Mapping[str, object],
    timing: StreamTiming,
) -> str:
    """Read the streamed answer. Returns the error code, empty if the answer was complete."""
    url = f"{target.url}/v1/chat/completions"
    async with http.post(url, json=body, headers=headers) as answer:
        if answer.status != 200:
            return str((await answer.json())["error"]["code"])
        async for line in answer.content:
            timing.read_line(line.strip())
    return "" if timing.is_complete else "broken"


def _body(model: str, number: int, scheduled: ScheduledCall) -> dict[str, object]:
    # Starts with the number, so that no prefix cache shortens the work.
    prompt = f"{number}" + " w" * (scheduled.arrival.input_tokens - 1)
    return {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": scheduled.arrival.output_tokens,
        "service_tier": scheduled.tier,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
