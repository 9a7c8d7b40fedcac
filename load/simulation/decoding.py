"""The answers that one replica decodes concurrently, all at the same rate.

One token counter serves all answers, so that a change of the rate costs one event, however many
answers there are.
"""

import heapq
from itertools import count

import simpy

from load.simulation.engine_speed import EngineSpeed


class DecodeBatch:
    """The answers in progress on one replica."""

    def __init__(self, env: simpy.Environment, engine_speed: EngineSpeed) -> None:
        self._env = env
        self._speed = engine_speed
        # Tokens of an answer that has been decoded from the beginning.
        self._tokens = 0.0
        self._since = env.now
        self._running: list[tuple[float, int, simpy.Event]] = []
        self._numbers = count()
        self._is_prefilling = False
        self._latest_timer = 0

    def __len__(self) -> int:
        return len(self._running)

    def decode(self, tokens: int) -> simpy.Event:
        """Return an event that occurs when this many further tokens of an answer are decoded."""
        self._advance()
        done = self._env.event()
        heapq.heappush(self._running, (self._tokens + tokens, next(self._numbers), done))
        self._schedule_completion()
        return done

    def set_prefilling(self, is_prefilling: bool) -> None:
        """Set whether a prompt is being prefilled."""
        self._advance()
        self._is_prefilling = is_prefilling
        self._schedule_completion()

    def _rate(self) -> float:
        """Return the tokens per second of each answer."""
        decode_share = 1 - self._speed.stall if self._is_prefilling else 1.0
        return decode_share / self._speed.token_interval_s(len(self._running))

    def _advance(self) -> None:
        self._tokens += (self._env.now - self._since) * self._rate()
        self._since = self._env.now

    def _schedule_completion(self) -> None:
        """Set the timer for the next finished answer, which invalidates earlier timers."""
        self._latest_timer += 1
        rate = self._rate()
        if not self._running or rate <= 0:
            return
        timer, first = self._latest_timer, self._running[0][0]
        reached = self._env.timeout(max(0.0, (first - self._tokens) / rate))
        reached.callbacks.append(lambda _: self._complete_due(timer, first))

    def _complete_due(self, timer: int, tokens: float) -> None:
        if timer != self._latest_timer:
            return
        self._advance()
        # A rounding error must not leave a remainder that takes no time, which would loop for ever.
        self._tokens = max(self._tokens, tokens)
        while self._running and self._running[0][0] <= self._tokens:
            heapq.heappop(self._running)[2].succeed()
        self._schedule_completion()
