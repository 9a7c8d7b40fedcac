"""Transformations of a trace into scheduled calls: thinning, speed-up, truncation, assignment to
tenants.

Pure functions; random choices come from a seeded generator, so that two runs send the same calls.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from load.constant_upstream.engine import UpstreamSpeed
from load.replay.arrivals import Arrival


@dataclass(frozen=True, slots=True)
class ScheduledCall:
    """A call to be sent: its arrival, tenant and service tier."""

    arrival: Arrival
    tenant: str
    tier: str = "default"


@dataclass(frozen=True, slots=True)
class TruncatedTrace:
    """Arrivals within a model's context length, and the number of those that were longer."""

    arrivals: tuple[Arrival, ...]
    shortened: int


def thin(arrivals: Sequence[Arrival], keep: float, rng: random.Random) -> list[Arrival]:
    """Keep each arrival with this probability."""
    return [one for one in arrivals if rng.random() < keep]


def speed_up(arrivals: Sequence[Arrival], speed: float, seconds: float) -> list[Arrival]:
    """Divide the arrival times by `speed` and keep the first `seconds`."""
    begins = arrivals[0].at_s if arrivals else 0.0
    result = (replace(one, at_s=(one.at_s - begins) / speed) for one in arrivals)
    return [one for one in result if one.at_s < seconds]


def truncate_to_context(arrivals: Sequence[Arrival], context: int) -> TruncatedTrace:
    """Truncate token counts to a context length; answers get at most a quarter of it."""
    cut = []
    for one in arrivals:
        output = max(1, min(one.output_tokens, context // 4))
        prompt = max(1, min(one.input_tokens, context - output))
        cut.append(replace(one, input_tokens=prompt, output_tokens=output))
    longer = sum(a != b for a, b in zip(arrivals, cut, strict=True))
    return TruncatedTrace(tuple(cut), longer)


def capacity(arrivals: Sequence[Arrival], speed: UpstreamSpeed) -> float:
    """Return the calls per second, of these lengths, that the constant upstream can answer."""
    number = len(arrivals)
    prefill = sum(speed.prefill_s(one.input_tokens) for one in arrivals) / number
    is_complete = (
        sum(speed.unloaded_s(one.input_tokens, one.output_tokens) for one in arrivals) / number
    )
    by_slots = speed.slots / is_complete if speed.slots and is_complete else float("inf")
    return min(by_slots, 1 / prefill if prefill else float("inf"))


def fill_capacity(
    arrivals: Sequence[Arrival], load: float, speed: UpstreamSpeed, seconds: float
) -> list[Arrival]:
    """Return arrivals that take this share of the capacity for `seconds`.

    Starts after a third of the trace, because the traffic of a trace grows.
    """
    number = max(2, round(load * capacity(arrivals, speed) * seconds))
    begins = min(len(arrivals) // 3, max(0, len(arrivals) - number))
    part = arrivals[begins : begins + number]
    span = part[-1].at_s - part[0].at_s
    return speed_up(part, max(span, 1e-6) / (0.999 * seconds), seconds)


def assign_tenants(
    arrivals: Sequence[Arrival], shares: Mapping[str, float], rng: random.Random
) -> list[ScheduledCall]:
    """Assign each arrival to a tenant at random, by shares."""
    names, weights = list(shares), list(shares.values())
    return [ScheduledCall(one, rng.choices(names, weights)[0]) for one in arrivals]


def assign_tiers(
    scheduled: Sequence[ScheduledCall], shares: Mapping[str, float], rng: random.Random
) -> list[ScheduledCall]:
    """Assign each call to a service tier at random, by shares."""
    names, weights = list(shares), list(shares.values())
    return [replace(one, tier=rng.choices(names, weights)[0]) for one in scheduled]
