"""How long a generation takes, as of an engine: prompts are read one after the other, answers are
written at once by as many as there are slots.

With a rate of 0 nothing takes time.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

# Tokens that would come closer together than this come together: a stream costs the machine by
# its events, and what is measured is the gateway.
_LEAST_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Speed:
    """Prompt tokens read in a second (0: any number), seconds from one token of an answer to the
    next, and generations at a time (0: any number)."""

    prefill_tokens_s: float = 0.0
    token_s: float = 0.0
    slots: int = 0

    def prefill_s(self, input_tokens: int) -> float:
        return input_tokens / self.prefill_tokens_s if self.prefill_tokens_s else 0.0

    def alone_s(self, input_tokens: int, output_tokens: int) -> float:
        """What a call takes with nobody before it."""
        return self.prefill_s(input_tokens) + self.token_s * output_tokens


def steps(tokens: int, token_s: float) -> list[int]:
    """How many tokens there are after each event, of an answer of so many."""
    slow = token_s * tokens > _LEAST_PAUSE_S
    each = max(1, round(_LEAST_PAUSE_S / token_s)) if slow else max(1, tokens // 8)
    return [*range(1, tokens, each), tokens] if tokens > 1 else [tokens]


@dataclass
class Engine:
    """One engine's slots and its one reader of prompts. Belongs to one event loop."""

    speed: Speed
    running: int = 0
    waiting: int = 0
    _slots: asyncio.Semaphore = field(init=False)
    _reading: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.speed.slots or 1 << 30)

    async def generate(self, input_tokens: int, output_tokens: int) -> AsyncIterator[int]:
        """How many tokens there are by now, each time that there are more."""
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
            for count in steps(output_tokens, self.speed.token_s):
                # From when it began, so that a busy machine does not stretch the answer.
                await asyncio.sleep(max(0.0, began + count * self.speed.token_s - loop.time()))
                yield count
        finally:
            self.running -= 1
            self._slots.release()
