"""The settings that are compared: fixed numbers of replicas beside ways to scale them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from load.replay.arrivals import Arrival
from load.simulation.autoscaler import Rule
from load.simulation.engine_speed import Pace
from load.simulation.fleet import Setup

# Up and down, in seconds.
_DELAYS = ((30.0, 600.0), (5.0, 300.0), (5.0, 60.0))
_STARTS_S = (30.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class Named:
    """A line of the table."""

    name: str
    setup: Setup


def replicas_for(pace: Pace, calls_s: float, arrivals: Sequence[Arrival]) -> float:
    """How many replicas are busy all the time with so many of these calls a second.

    By reading and writing alone, each with all slots taken: nothing is left for a burst."""
    number = len(arrivals)
    reads = sum(pace.reading_s(one.input_tokens) for one in arrivals) / number
    tokens = sum(one.output_tokens for one in arrivals) / number
    writes = tokens * pace.each_s(pace.slots) / pace.slots
    both = reads * pace.stall + writes
    return calls_s * max(reads, both)


def fixed(pace: Pace, numbers: Sequence[int]) -> Iterator[Named]:
    """As many as they are, all the time."""
    for number in numbers:
        yield Named(f"{number} always", Setup(pace, Rule(number, number, 1.0)))


def scaled(pace: Pace, targets: Sequence[float], most: int, start_s: float) -> Iterator[Named]:
    """Each target with each pair of delays."""
    for target in targets:
        for up_s, down_s in _DELAYS:
            rule = Rule(1, most, target, upscale_delay_s=up_s, downscale_delay_s=down_s)
            name = f"target {target:g}, up {up_s:g} s, down {down_s:g} s"
            yield Named(name, Setup(pace, rule, start_s=start_s))


def starts(pace: Pace, target: float, most: int) -> Iterator[Named]:
    """What the time that a replica takes to start is worth."""
    for start_s in _STARTS_S:
        yield Named(f"starts in {start_s:g} s", Setup(pace, Rule(1, most, target), start_s=start_s))


def held_back(pace: Pace, target: float, most: int, start_s: float) -> Iterator[Named]:
    """What a gateway's bound on calls under way does to an autoscaler that looks behind it."""
    for number in (pace.slots, most * pace.slots):
        setup = Setup(pace, Rule(1, most, target), concurrency=number, start_s=start_s)
        yield Named(f"`concurrency` {number}", setup)
