"""The speed of one engine replica: prefill and decode rates."""

from dataclasses import dataclass

from load.constant_upstream.engine import UpstreamSpeed


@dataclass(frozen=True, slots=True)
class EngineSpeed:
    """Prefill rate (tokens per second) and seconds per output token of one replica.

    `token_s_per_answer` is added to `token_s` for each further concurrent answer, `slots` is the
    number of concurrent answers. `stall` is the share of decoding that pauses during a prefill: 1
    for an engine that does both in one step.
    """

    prefill_tokens_s: float
    token_s: float
    token_s_per_answer: float
    slots: int
    stall: float = 1.0

    def prefill_s(self, input_tokens: int) -> float:
        """Return the seconds to prefill a prompt."""
        return input_tokens / self.prefill_tokens_s

    def token_interval_s(self, answers: int) -> float:
        """Return the seconds per token with this number of concurrent answers."""
        return self.token_s + self.token_s_per_answer * max(0, answers - 1)


# A 9B model in 16 bits on one 80 GB GPU, estimated from published measurements of the model and the
# engine. Not measured by this project: use `check --upstream engine` on your hardware.
ASSUMED_SPEED = EngineSpeed(15_000, 0.012, 0.000_06, 128)


def speed_of_constant_upstream(speed: UpstreamSpeed) -> EngineSpeed:
    """Return the constant upstream's speed, which prefill and other answers do not affect."""
    return EngineSpeed(speed.prefill_tokens_s, speed.token_s, 0.0, speed.slots, stall=0.0)
