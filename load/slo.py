"""Service level objectives of the mixed load test, and their evaluation.

With the real engine of the CPU profile, latency is dominated by token generation; with the constant
upstream, what remains is the service's own overhead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

# Names of calls in locust's statistics.
CHAT, STREAM, EMBEDDINGS = "chat", "chat, streamed", "embeddings"
PREDICTIONS, USAGE, WEBHOOK = "predictions", "usage", "webhook"
FIRST_TOKEN, EACH_TOKEN = "time to first token", "time per output token"
SIGN_IN, PAGE, ROTATION = "sign in", "page", "key rotation"
ALL = "all"


class Measure(StrEnum):
    """What an objective limits: a latency percentile in ms, or the percentage of failed calls."""

    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    FAILED = "failed"

    @property
    def unit(self) -> str:
        """Return the unit of the measure."""
        return "%" if self is Measure.FAILED else "ms"


@dataclass(frozen=True, slots=True)
class Objective:
    """A service level objective: the measure of the calls with this name is at most `bound`."""

    name: str
    measure: Measure
    bound: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """An objective and its measured value; None if there were no such calls."""

    slo: Objective
    value: float | None

    @property
    def is_met(self) -> bool:
        """Return whether the objective is met; it is not without calls."""
        return self.value is not None and self.value <= self.slo.bound


class CallStats(Protocol):
    """Statistics of one kind of calls, as locust keeps them."""

    num_requests: int
    num_failures: int

    def get_response_time_percentile(self, percent: float) -> float: ...


P50, P95, P99, FAILED = Measure.P50, Measure.P95, Measure.P99, Measure.FAILED

# No call may fail, with either upstream.
_NO_FAILURES = (Objective(ALL, FAILED, 0.0),)
_PAGES = (
    Objective(SIGN_IN, P95, 2000),
    Objective(PAGE, P95, 500),
    Objective(PAGE, P99, 1500),
    Objective(ROTATION, P95, 1000),
)
_WEBHOOKS = (Objective(WEBHOOK, P95, 200), Objective(WEBHOOK, P99, 500))

CONSTANT: tuple[Objective, ...] = (
    *_NO_FAILURES,
    Objective(CHAT, P50, 250),
    Objective(CHAT, P95, 400),
    Objective(FIRST_TOKEN, P50, 60),
    Objective(FIRST_TOKEN, P95, 200),
    Objective(EACH_TOKEN, P95, 10),
    Objective(EMBEDDINGS, P95, 200),
    Objective(PREDICTIONS, P50, 50),
    Objective(PREDICTIONS, P95, 200),
    Objective(USAGE, P95, 300),
    *_PAGES,
    *_WEBHOOKS,
)
ENGINE: tuple[Objective, ...] = (
    *_NO_FAILURES,
    Objective(CHAT, P95, 4000),
    Objective(FIRST_TOKEN, P95, 1500),
    Objective(EACH_TOKEN, P95, 150),
    Objective(EMBEDDINGS, P95, 1000),
    Objective(PREDICTIONS, P50, 150),
    Objective(PREDICTIONS, P95, 500),
    Objective(USAGE, P95, 800),
    *_PAGES,
    *_WEBHOOKS,
)


def objectives(constant: bool, dashboards: bool, webhooks: bool) -> tuple[Objective, ...]:
    """Return the objectives of a run, without those whose calls the run cannot make."""
    excluded = set() if dashboards else {SIGN_IN, PAGE, ROTATION}
    excluded |= set() if webhooks else {WEBHOOK}
    return tuple(slo for slo in (CONSTANT if constant else ENGINE) if slo.name not in excluded)


def judge(slos: Sequence[Objective], stats: Mapping[str, CallStats]) -> list[Verdict]:
    """Return the verdict on each objective."""
    return [Verdict(slo, value_of(slo.measure, stats.get(slo.name))) for slo in slos]


def value_of(measure: Measure, stats: CallStats | None) -> float | None:
    """Return the measure's value in its unit, or None without calls."""
    if stats is None or not stats.num_requests:
        return None
    if measure is Measure.FAILED:
        return 100 * stats.num_failures / stats.num_requests
    return float(stats.get_response_time_percentile(int(measure[1:]) / 100))
