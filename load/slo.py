"""Service level objectives of a mixed day: what, which measure, which bound.

Owns the bounds, as a table of facts, and the verdict on what locust has seen. With the real engine
of the CPU profile a text takes as long as the processors take to write it; with the constant
upstream what is left is what the service itself adds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

# What clients call things in locust's statistics.
CHAT, STREAM, EMBEDDINGS = "chat", "chat, streamed", "embeddings"
PREDICTIONS, USAGE, WEBHOOK = "predictions", "usage", "webhook"
FIRST_TOKEN, EACH_TOKEN = "time to first token", "time per output token"
SIGN_IN, PAGE, ROTATION = "sign in", "page", "key rotation"
ALL = "all"


class Measure(StrEnum):
    """What of the calls of a kind is bounded: milliseconds at a percentile, or a share of them."""

    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    FAILED = "failed"

    @property
    def unit(self) -> str:
        return "%" if self is Measure.FAILED else "ms"


@dataclass(frozen=True, slots=True)
class Slo:
    """One objective: the measure of what is named is at most `bound`."""

    what: str
    measure: Measure
    bound: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """An objective and what was measured; `value` None where nothing was called."""

    slo: Slo
    value: float | None

    @property
    def held(self) -> bool:
        return self.value is not None and self.value <= self.slo.bound


class Seen(Protocol):
    """The calls of one kind, as locust counts them."""

    num_requests: int
    num_failures: int

    def get_response_time_percentile(self, percent: float) -> float: ...


P50, P95, P99, FAILED = Measure.P50, Measure.P95, Measure.P99, Measure.FAILED

# Nothing fails, in any kind of day.
_NEVER = (Slo(ALL, FAILED, 0.0),)
_PAGES = (
    Slo(SIGN_IN, P95, 2000),
    Slo(PAGE, P95, 500),
    Slo(PAGE, P99, 1500),
    Slo(ROTATION, P95, 1000),
)
_HOOKS = (Slo(WEBHOOK, P95, 200), Slo(WEBHOOK, P99, 500))

CONSTANT: tuple[Slo, ...] = (
    *_NEVER,
    Slo(CHAT, P50, 250),
    Slo(CHAT, P95, 400),
    Slo(FIRST_TOKEN, P50, 60),
    Slo(FIRST_TOKEN, P95, 200),
    Slo(EACH_TOKEN, P95, 10),
    Slo(EMBEDDINGS, P95, 200),
    Slo(PREDICTIONS, P50, 50),
    Slo(PREDICTIONS, P95, 200),
    Slo(USAGE, P95, 300),
    *_PAGES,
    *_HOOKS,
)
ENGINE: tuple[Slo, ...] = (
    *_NEVER,
    Slo(CHAT, P95, 4000),
    Slo(FIRST_TOKEN, P95, 1500),
    Slo(EACH_TOKEN, P95, 150),
    Slo(EMBEDDINGS, P95, 1000),
    Slo(PREDICTIONS, P50, 150),
    Slo(PREDICTIONS, P95, 500),
    Slo(USAGE, P95, 800),
    *_PAGES,
    *_HOOKS,
)


def objectives(constant: bool, dashboards: bool, webhooks: bool) -> tuple[Slo, ...]:
    """Those of a day; without what cannot be reached at a service that others run."""
    left_out = set() if dashboards else {SIGN_IN, PAGE, ROTATION}
    left_out |= set() if webhooks else {WEBHOOK}
    return tuple(slo for slo in (CONSTANT if constant else ENGINE) if slo.what not in left_out)


def judge(slos: Sequence[Slo], seen: Mapping[str, Seen]) -> list[Verdict]:
    """Each objective beside what was measured."""
    return [Verdict(slo, measured(slo.measure, seen.get(slo.what))) for slo in slos]


def measured(measure: Measure, seen: Seen | None) -> float | None:
    """The measure in its unit; None where there was no such call, which holds nothing."""
    if seen is None or not seen.num_requests:
        return None
    if measure is Measure.FAILED:
        return 100 * seen.num_failures / seen.num_requests
    return float(seen.get_response_time_percentile(int(measure[1:]) / 100))
