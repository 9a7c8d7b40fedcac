"""What a replay comes to: goodput, queueing, and how one tenant fares beside another.

A call is good where its first token and each further one came in time; goodput is good calls a
second. Queueing is the time to the first token beyond what the engine alone takes, where that is
known.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from load.constant_upstream.engine import Speed
from load.replay.player import Played


@dataclass(frozen=True, slots=True)
class InTime:
    """What a call's user is content with, in seconds."""

    first_s: float = 1.0
    each_s: float = 0.05


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some calls: milliseconds at percentiles, None where there were no answers."""

    calls: int
    answered: int
    refused: dict[str, int]
    good: int
    calls_s: float
    goodput_s: float
    first_p50: float | None
    first_p99: float | None
    total_p50: float | None
    total_p99: float | None
    each_p99: float | None
    queued_p50: float | None
    queued_p99: float | None
    late_p99: float | None


def figures(
    played: Sequence[Played], seconds: float, in_time: InTime, speed: Speed | None
) -> Figures:
    """All of them."""
    whole = [one for one in played if one.whole]
    firsts = [one.first_s for one in whole if one.first_s is not None]
    queued = [] if speed is None else [queueing(one, speed) for one in whole]
    good = sum(is_good(one, in_time) for one in whole)
    at = _milliseconds
    return Figures(
        calls=len(played),
        answered=len(whole),
        refused=dict(Counter(one.refusal for one in played if not one.whole)),
        good=good,
        calls_s=len(played) / seconds,
        goodput_s=good / seconds,
        first_p50=at(firsts, 0.5),
        first_p99=at(firsts, 0.99),
        total_p50=at([one.total_s for one in whole], 0.5),
        total_p99=at([one.total_s for one in whole], 0.99),
        each_p99=at([one.each_s for one in whole if one.each_s is not None], 0.99),
        queued_p50=at(queued, 0.5),
        queued_p99=at(queued, 0.99),
        late_p99=at([one.late_s for one in played], 0.99),
    )


def is_good(one: Played, in_time: InTime) -> bool:
    """Whether it was answered whole and in time."""
    if not one.whole or one.first_s is None:
        return False
    return one.first_s <= in_time.first_s and (one.each_s or 0.0) <= in_time.each_s


def queueing(one: Played, speed: Speed) -> float:
    """Seconds before the engine began with it."""
    alone = speed.prefill_s(one.due.arrival.input_tokens) + speed.token_s
    return max(0.0, (one.first_s or 0.0) - alone)


def percentile(values: Iterable[float], part: float) -> float | None:
    """The smallest value that this part of them does not exceed; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, min(len(ordered) - 1, -(-round(part * 1e6) * len(ordered) // 10**6) - 1))]


def ratio(
    together: Sequence[Played], alone: Sequence[Played], fact: Callable[[Played], float | None]
) -> float | None:
    """The 99th percentile of a fact in one phase over that in the other."""
    both = []
    for phase in (together, alone):
        values = [value for one in phase if one.whole and (value := fact(one)) is not None]
        both.append(percentile(values, 0.99))
    return both[0] / both[1] if both[0] is not None and both[1] else None


def _milliseconds(values: Sequence[float], part: float) -> float | None:
    found = percentile(values, part)
    return None if found is None else 1000 * found
