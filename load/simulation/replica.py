"""One simulated engine replica: prompts are prefilled one by one, answers decoded concurrently."""

from collections.abc import Generator
from typing import Any

import simpy

from load.replay.arrivals import Arrival
from load.simulation.decoding import DecodeBatch
from load.simulation.engine_speed import EngineSpeed

Steps = Generator[simpy.Event, Any, float]


class Replica:
    """A replica; `ongoing` is the number of calls that it has not finished."""

    def __init__(self, env: simpy.Environment, engine_speed: EngineSpeed) -> None:
        self._env = env
        self._speed = engine_speed
        self._prefill = simpy.Resource(env)
        self._batch = DecodeBatch(env, engine_speed)
        self.ongoing = 0

    def answer(self, call: Arrival) -> Steps:
        """Answer a call. Returns the time of its first token."""
        with self._prefill.request() as turn:
            yield turn
            self._batch.set_prefilling(True)
            yield self._env.timeout(self._speed.prefill_s(call.input_tokens))
            self._batch.set_prefilling(False)
        yield self._batch.decode(1)
        first: float = self._env.now
        if call.output_tokens > 1:
            yield self._batch.decode(call.output_tokens - 1)
        return first
