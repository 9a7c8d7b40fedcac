"""Statistics of replayed calls: goodput, queueing time, percentiles and their ratios.

A call is good if its first token and its further tokens meet the latency targets. Queueing time is
the time to first token beyond what an idle engine takes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from load.constant_upstream.engine import UpstreamSpeed
from load.replay.player import CallOutcome


@dataclass(frozen=True, slots=True)
class LatencyTargets:
    """Latency targets of a good call, in seconds."""

    first_token_s: float = 1.0
    token_interval_s: float = 0.05


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """Statistics of calls; latencies in milliseconds, None without answers."""

    calls: int
    answered: int
    refused: dict[str, int]
    good: int
    calls_s: float
    goodput_s: float
    first_token_p50: float | None
    first_token_p99: float | None
    total_p50: float | None
    total_p99: float | None
    token_interval_p99: float | None
    queued_p50: float | None
    queued_p99: float | None
    send_delay_p99: float | None


def compute_statistics(
    outcomes: Sequence[CallOutcome],
    seconds: float,
    latency_targets: LatencyTargets,
    speed: UpstreamSpeed | None,
) -> CallStatistics:
    """Return the statistics of calls that were sent in `seconds`."""
    completed = [one for one in outcomes if one.is_complete]
    firsts = [one.first_token_s for one in completed if one.first_token_s is not None]
    queued = [] if speed is None else [queueing_s(one, speed) for one in completed]
    good = sum(meets_targets(one, latency_targets) for one in completed)
    at = _percentile_ms
    return CallStatistics(
        calls=len(outcomes),
        answered=len(completed),
        refused=dict(Counter(one.error_code for one in outcomes if not one.is_complete)),
        good=good,
        calls_s=len(outcomes) / seconds,
        goodput_s=good / seconds,
        first_token_p50=at(firsts, 0.5),
        first_token_p99=at(firsts, 0.99),
        total_p50=at([one.total_s for one in completed], 0.5),
        total_p99=at([one.total_s for one in completed], 0.99),
        token_interval_p99=at(
            [one.token_interval_s for one in completed if one.token_interval_s is not None], 0.99
        ),
        queued_p50=at(queued, 0.5),
        queued_p99=at(queued, 0.99),
        send_delay_p99=at([one.send_delay_s for one in outcomes], 0.99),
    )


def meets_targets(one: CallOutcome, latency_targets: LatencyTargets) -> bool:
    """Return whether the call was answered completely within the latency targets."""
    if not one.is_complete or one.first_token_s is None:
        return False
    return (
        one.first_token_s <= latency_targets.first_token_s
        and (one.token_interval_s or 0.0) <= latency_targets.token_interval_s
    )


def queueing_s(one: CallOutcome, speed: UpstreamSpeed) -> float:
    """Return the seconds that the call waited before the engine began with it."""
    alone = speed.prefill_s(one.scheduled.arrival.input_tokens) + speed.token_s
    return max(0.0, (one.first_token_s or 0.0) - alone)


def percentile(values: Iterable[float], part: float) -> float | None:
    """Return the smallest value that at least this share of the values does not exceed; None if
    empty."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, min(len(ordered) - 1, -(-round(part * 1e6) * len(ordered) // 10**6) - 1))]


def p99_ratio(
    together: Sequence[CallOutcome],
    alone: Sequence[CallOutcome],
    fact: Callable[[CallOutcome], float | None],
) -> float | None:
    """Return the ratio of a value's 99th percentiles, or None if one phase has no values."""
    both = []
    for phase in (together, alone):
        values = [value for one in phase if one.is_complete and (value := fact(one)) is not None]
        both.append(percentile(values, 0.99))
    return both[0] / both[1] if both[0] is not None and both[1] else None


def _percentile_ms(values: Sequence[float], part: float) -> float | None:
    result = percentile(values, part)
    return None if result is None else 1000 * result
