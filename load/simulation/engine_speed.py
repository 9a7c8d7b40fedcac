"""How fast one replica of an engine reads and writes."""

from dataclasses import dataclass

from load.constant_upstream.engine import Speed


@dataclass(frozen=True, slots=True)
class Pace:
    """prefill_tokens_s: prompt tokens read in a second, one prompt after the other. token_s: from a
    token to the next where one answer is written; token_s_each: more for each further one beside
    it. slots: answers at a time. stall: the part of writing that stands still while a prompt is
    read; an engine that reads and writes in one step loses all of it."""

    prefill_tokens_s: float
    token_s: float
    token_s_each: float
    slots: int
    stall: float = 1.0

    def reading_s(self, input_tokens: int) -> float:
        return input_tokens / self.prefill_tokens_s

    def each_s(self, writing: int) -> float:
        """From a token to the next, where so many answers are written."""
        return self.token_s + self.token_s_each * max(0, writing - 1)


# Of a 9 billion model in 16 bits on one card of 80 GB, from what its makers' and the engine's
# published measurements let one expect. None of it was measured by us: `measure` does, on yours.
ASSUMED = Pace(15_000, 0.012, 0.000_06, 128)


def constant(speed: Speed) -> Pace:
    """The constant upstream's: it reads and writes at once, and writes as fast for many."""
    return Pace(speed.prefill_tokens_s, speed.token_s, 0.0, speed.slots, stall=0.0)
