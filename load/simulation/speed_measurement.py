"""An engine's pace from outside: a few calls one after the other, then several at once.

The pace is of everything between the caller and the engine, which is what a caller sees.
"""

import statistics
from collections.abc import Sequence

from load.replay.arrivals import Arrival
from load.replay.player import Played, Target, play
from load.replay.schedule import Due
from load.simulation.engine_speed import Pace

_SHORT, _LONG, _ANSWER = 16, 2_000, 48


class PaceUnknown(Exception):
    """The service refused the calls that its pace is measured by."""


async def measure(target: Target, slots: int, rounds: int = 3) -> Pace:
    """Medians of so many rounds. Raises PaceUnknown."""
    tenant = next(iter(target.keys))
    alone, crowd, long = [], [], []
    # The first call pays for what is loaded and compiled once.
    await _at_once(target, tenant, 1, _SHORT, _ANSWER)
    for _ in range(rounds):
        alone += await _at_once(target, tenant, 1, _SHORT, _ANSWER)
        crowd += await _at_once(target, tenant, slots, _SHORT, _ANSWER)
        long += await _at_once(target, tenant, 1, _LONG, 2)
    return pace(alone, crowd, long, slots)


def pace(
    alone: Sequence[Played], crowd: Sequence[Played], long: Sequence[Played], slots: int
) -> Pace:
    """Of calls of which `crowd` came so many at once, and `long` had the long prompt."""
    one, many = _each_s(alone), _each_s(crowd)
    longer = max(1e-6, _first_s(long) - _first_s(alone))
    more = max(0.0, many - one) / max(1, slots - 1)
    return Pace((_LONG - _SHORT) / longer, one, more, slots)


async def _at_once(
    target: Target, tenant: str, number: int, input_tokens: int, output_tokens: int
) -> list[Played]:
    due = [Due(Arrival(0.0, input_tokens, output_tokens), tenant)] * number
    played = await play(target, due)
    refused = [one.refusal for one in played if not one.whole]
    if refused:
        raise PaceUnknown(f"{len(refused)} of {number} calls were refused: {refused[0]}.")
    return played


def _each_s(played: Sequence[Played]) -> float:
    return statistics.median(one.each_s for one in played if one.each_s is not None)


def _first_s(played: Sequence[Played]) -> float:
    return statistics.median(one.first_s for one in played if one.first_s is not None)
