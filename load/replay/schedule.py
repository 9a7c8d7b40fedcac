"""What of a trace is played, and when: thinned, sped up, cut to what the model takes, and given to
tenants.

Owns these changes, all of them by a seed, so that two runs play the same. Pure.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from load.constant_upstream.engine import Speed
from load.replay.arrivals import Arrival


@dataclass(frozen=True, slots=True)
class Due:
    """One call to be sent: when, by whom, in which class."""

    arrival: Arrival
    tenant: str
    tier: str = "default"


@dataclass(frozen=True, slots=True)
class Cut:
    """Arrivals that a model takes, and how many of them were longer."""

    arrivals: tuple[Arrival, ...]
    shortened: int


def thin(arrivals: Sequence[Arrival], keep: float, chance: random.Random) -> list[Arrival]:
    """Each with this probability: the same shape with fewer calls."""
    return [one for one in arrivals if chance.random() < keep]


def sped_up(arrivals: Sequence[Arrival], speed: float, seconds: float) -> list[Arrival]:
    """So many times as fast, and so many seconds of it."""
    begins = arrivals[0].at_s if arrivals else 0.0
    found = (replace(one, at_s=(one.at_s - begins) / speed) for one in arrivals)
    return [one for one in found if one.at_s < seconds]


def cut_to(arrivals: Sequence[Arrival], context: int) -> Cut:
    """Answers take a quarter of the context at most, and prompts what is left."""
    cut = []
    for one in arrivals:
        output = max(1, min(one.output_tokens, context // 4))
        prompt = max(1, min(one.input_tokens, context - output))
        cut.append(replace(one, input_tokens=prompt, output_tokens=output))
    longer = sum(a != b for a, b in zip(arrivals, cut, strict=True))
    return Cut(tuple(cut), longer)


def capacity(arrivals: Sequence[Arrival], speed: Speed) -> float:
    """Calls of these a second that the constant upstream can answer."""
    number = len(arrivals)
    prefill = sum(speed.prefill_s(one.input_tokens) for one in arrivals) / number
    whole = sum(speed.alone_s(one.input_tokens, one.output_tokens) for one in arrivals) / number
    by_slots = speed.slots / whole if speed.slots and whole else float("inf")
    return min(by_slots, 1 / prefill if prefill else float("inf"))


def filling(
    arrivals: Sequence[Arrival], load: float, speed: Speed, seconds: float
) -> list[Arrival]:
    """As many as are that part of the capacity in so many seconds, at the pace that this takes.

    From a third of the trace on: traces grow, and their beginnings are thin.
    """
    number = max(2, round(load * capacity(arrivals, speed) * seconds))
    begins = min(len(arrivals) // 3, max(0, len(arrivals) - number))
    part = arrivals[begins : begins + number]
    span = part[-1].at_s - part[0].at_s
    return sped_up(part, max(span, 1e-6) / (0.999 * seconds), seconds)


def among(
    arrivals: Sequence[Arrival], shares: Mapping[str, float], chance: random.Random
) -> list[Due]:
    """Each call to a tenant, as often as its share says."""
    names, weights = list(shares), list(shares.values())
    return [Due(one, chance.choices(names, weights)[0]) for one in arrivals]


def in_classes(due: Sequence[Due], shares: Mapping[str, float], chance: random.Random) -> list[Due]:
    """Each call to a class of service, as often as its share says."""
    names, weights = list(shares), list(shares.values())
    return [replace(one, tier=chance.choices(names, weights)[0]) for one in due]
