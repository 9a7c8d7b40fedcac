"""Answers that one replica writes at the same time, all of them at the same pace.

Owns when each is done, while others come and go and prompts are read beside them. Kept by one count
of tokens that every answer has got since the beginning, so that a change costs one event however
many are under way.
"""

import heapq
from itertools import count

import simpy

from load.simulation.engine_speed import Pace


class Writing:
    """Belongs to one environment."""

    def __init__(self, env: simpy.Environment, pace: Pace) -> None:
        self._env = env
        self._pace = pace
        # Tokens that an answer would have by now, had it been there from the beginning.
        self._tokens = 0.0
        self._since = env.now
        self._under_way: list[tuple[float, int, simpy.Event]] = []
        self._numbers = count()
        self._is_reading = False
        self._latest = 0

    def __len__(self) -> int:
        return len(self._under_way)

    def write(self, tokens: int) -> simpy.Event:
        """Happens when so many more tokens of an answer are there."""
        self._advance()
        done = self._env.event()
        heapq.heappush(self._under_way, (self._tokens + tokens, next(self._numbers), done))
        self._aim()
        return done

    def reading(self, is_reading: bool) -> None:
        """A prompt begins or ends to be read."""
        self._advance()
        self._is_reading = is_reading
        self._aim()

    def _rate(self) -> float:
        """Tokens a second of each answer."""
        moves = 1 - self._pace.stall if self._is_reading else 1.0
        return moves / self._pace.each_s(len(self._under_way))

    def _advance(self) -> None:
        self._tokens += (self._env.now - self._since) * self._rate()
        self._since = self._env.now

    def _aim(self) -> None:
        """At the next answer that is done; what was aimed at before is void."""
        self._latest += 1
        rate = self._rate()
        if not self._under_way or rate <= 0:
            return
        aim, first = self._latest, self._under_way[0][0]
        reached = self._env.timeout(max(0.0, (first - self._tokens) / rate))
        reached.callbacks.append(lambda _: self._reach(aim, first))

    def _reach(self, aim: int, tokens: float) -> None:
        if aim != self._latest:
            return
        self._advance()
        # Rounding must not leave a rest that takes no time and is waited for without end.
        self._tokens = max(self._tokens, tokens)
        while self._under_way and self._under_way[0][0] <= self._tokens:
            heapq.heappop(self._under_way)[2].succeed()
        self._aim()
