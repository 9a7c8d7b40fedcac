"""One replica of an engine: a prompt is read, then its answer is written beside others."""

from collections.abc import Generator
from typing import Any

import simpy

from load.replay.arrivals import Arrival
from load.simulation.decoding import Writing
from load.simulation.engine_speed import Pace

Steps = Generator[simpy.Event, Any, float]


class Replica:
    """`ongoing` is how many calls it has been given that have not ended."""

    def __init__(self, env: simpy.Environment, pace: Pace) -> None:
        self._env = env
        self._pace = pace
        self._reader = simpy.Resource(env)
        self._writing = Writing(env, pace)
        self.ongoing = 0

    def answer(self, call: Arrival) -> Steps:
        """Ends with the answer; when its first token came is what it returns."""
        with self._reader.request() as turn:
            yield turn
            self._writing.reading(True)
            yield self._env.timeout(self._pace.reading_s(call.input_tokens))
            self._writing.reading(False)
        yield self._writing.write(1)
        first: float = self._env.now
        if call.output_tokens > 1:
            yield self._writing.write(call.output_tokens - 1)
        return first
