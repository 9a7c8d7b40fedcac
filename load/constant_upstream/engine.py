"""Timing of a simulated engine: prompts are prefilled one by one, answers decoded concurrently.

With a rate of 0 nothing takes time.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

# Tokens are sent together if their interval is shorter: a stream costs CPU time per event, and the
# gateway is what is measured.
_MIN_EVENT_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class UpstreamSpeed:
    """Prefill rate (prompt tokens per second), seconds per output token, and concurrent answers.

    0 means unlimited.
    """

    prefill_tokens_s: float = 0.0
    token_s: float = 0.0
    slots: int = 0

    def prefill_s(self, input_tokens: int) -> float:
        """Return the seconds to prefill a prompt."""
        return input_tokens / self.prefill_tokens_s if self.prefill_tokens_s else 0.0

    def unloaded_s(self, input_tokens: int, output_tokens: int) -> float:
        """Return the seconds that a call takes without other calls."""
        return self.prefill_s(input_tokens) + self.token_s * output_tokens


def token_counts(tokens: int, token_s: float) -> list[int]:
    """Return the number of tokens sent after each event of an answer."""
    slow = token_s * tokens > _MIN_EVENT_INTERVAL_S
    each = max(1, round(_MIN_EVENT_INTERVAL_S / token_s)) if slow else max(1, tokens // 8)
    return [*range(1, tokens, each), tokens] if tokens > 1 else [tokens]


@dataclass
class Engine:
    """The slots and the prefill queue of one simulated engine. Belongs to one event loop."""

    speed: UpstreamSpeed
    running: int = 0
    waiting: int = 0
    _slots: asyncio.Semaphore = field(init=False)
    _reading: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.speed.slots or 1 << 30)

    async def generate(self, input_tokens: int, output_tokens: int) -> AsyncIterator[int]:
        """Yield the number of tokens generated so far, each time that it grows."""
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        try:
            async with self._reading:
                await asyncio.sleep(self.speed.prefill_s(input_tokens))
            loop = asyncio.get_running_loop()
            began = loop.time()
            for count in token_counts(output_tokens, self.speed.token_s):
                # Relative to the start, so that delays of a busy machine do not add up.
                await asyncio.sleep(max(0.0, began + count * self.speed.token_s - loop.time()))
                yield count
        finally:
            self.running -= 1
            self._slots.release()
