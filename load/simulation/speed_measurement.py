"""Measure an engine's speed from outside: single calls, then concurrent ones.

The result includes everything between the client and the engine.
"""

import statistics
from collections.abc import Sequence

from load.replay.arrivals import Arrival
from load.replay.player import CallOutcome, ReplayTarget, send_calls
from load.replay.schedule import ScheduledCall
from load.simulation.engine_speed import EngineSpeed

_SHORT, _LONG, _ANSWER = 16, 2_000, 48


class SpeedNotMeasured(Exception):
    """The service rejected the calls of the measurement."""


async def measure_speed(target: ReplayTarget, slots: int, rounds: int = 3) -> EngineSpeed:
    """Return the engine's speed from the medians of several rounds. Raises SpeedNotMeasured."""
    tenant = next(iter(target.keys))
    alone, crowd, long = [], [], []
    # Warm-up: the first call includes one-time loading and compilation.
    await _send_concurrently(target, tenant, 1, _SHORT, _ANSWER)
    for _ in range(rounds):
        alone += await _send_concurrently(target, tenant, 1, _SHORT, _ANSWER)
        crowd += await _send_concurrently(target, tenant, slots, _SHORT, _ANSWER)
        long += await _send_concurrently(target, tenant, 1, _LONG, 2)
    return estimate_speed(alone, crowd, long, slots)


def estimate_speed(
    alone: Sequence[CallOutcome],
    crowd: Sequence[CallOutcome],
    long: Sequence[CallOutcome],
    slots: int,
) -> EngineSpeed:
    """Estimate the speed from single calls, `slots` concurrent ones, and long prompts."""
    one, many = _each_s(alone), _each_s(crowd)
    longer = max(1e-6, _first_s(long) - _first_s(alone))
    more = max(0.0, many - one) / max(1, slots - 1)
    return EngineSpeed((_LONG - _SHORT) / longer, one, more, slots)


async def _send_concurrently(
    target: ReplayTarget, tenant: str, number: int, input_tokens: int, output_tokens: int
) -> list[CallOutcome]:
    scheduled = [ScheduledCall(Arrival(0.0, input_tokens, output_tokens), tenant)] * number
    outcomes = await send_calls(target, scheduled)
    refused = [one.error_code for one in outcomes if not one.is_complete]
    if refused:
        raise SpeedNotMeasured(f"{len(refused)} of {number} calls were refused: {refused[0]}.")
    return outcomes


def _each_s(outcomes: Sequence[CallOutcome]) -> float:
    return statistics.median(
        one.token_interval_s for one in outcomes if one.token_interval_s is not None
    )


def _first_s(outcomes: Sequence[CallOutcome]) -> float:
    return statistics.median(one.first_token_s for one in outcomes if one.first_token_s is not None)
