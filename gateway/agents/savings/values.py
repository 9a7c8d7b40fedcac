"""Values of what an agent saved: recommendations, evidence, their results, and sums of a period.

Amounts are in nano-units of the account's currency, times in UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.maintenance.policy import Action


class EvidenceSource(StrEnum):
    """Who said that an event happened.

    outcome: a confirmed outcome of a contract. event: evidence that an attester signed, or a report
    of the account. work_order: a work order of the plant model with a failure mode.
    """

    OUTCOME = "outcome"
    EVENT = "event"
    WORK_ORDER = "work_order"


class ResultStatus(StrEnum):
    """What became of a recommendation.

    confirmed: an event followed within the horizon. denied: somebody stated that none came.
    unconfirmed: the horizon is over, and nothing is recorded. open: the horizon is not over.
    """

    CONFIRMED = "confirmed"
    DENIED = "denied"
    UNCONFIRMED = "unconfirmed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A recommendation to inspect or stop, the first one within its horizon.

    until: end of the horizon. expected_nano: expected cost of waiting less that of the
    recommendation, None if rules alone decided. acted: whether a work order was carried out; None
    if nothing is recorded.
    """

    tick: str
    at: datetime
    until: datetime
    action: Action
    costs: MaintenanceCosts
    expected_nano: int | None = None
    acted: bool | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A failure, or a fault that was repaired before it failed."""

    id: str
    at: datetime
    source: EvidenceSource


@dataclass(frozen=True, slots=True)
class Bounds:
    """An amount that is known to lie from `lower` to `upper`, in nano-units."""

    lower_nano: int = 0
    upper_nano: int = 0

    def plus(self, other: "Bounds") -> "Bounds":
        """Return the bounds of the sum."""
        return Bounds(self.lower_nano + other.lower_nano, self.upper_nano + other.upper_nano)


@dataclass(frozen=True, slots=True)
class Result:
    """A recommendation with what became of it. saved: None while it is open."""

    recommendation: Recommendation
    status: ResultStatus
    event: Event | None = None
    saved: Bounds | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """What an agent did in a period, and the cost of its calls."""

    ticks: int = 0
    raised: int = 0
    predictions: int = 0
    decisions: int = 0
    actions: int = 0
    errors: int = 0
    cost_nano: int = 0


@dataclass(frozen=True, slots=True)
class PeriodSavings:
    """What an agent did and saved in a period.

    missed: events of the period that no recommendation preceded. A result belongs to the period of
    its recommendation.
    """

    starts_at: datetime
    ends_at: datetime
    activity: Activity
    results: tuple[Result, ...] = ()
    missed: tuple[Event, ...] = ()

    @property
    def expected_nano(self) -> int | None:
        """The sum of what the recommendations were expected to save; None without figures."""
        stated = [
            one.recommendation.expected_nano
            for one in self.results
            if one.recommendation.expected_nano is not None
        ]
        return sum(stated) if stated else None

    @property
    def observed(self) -> Bounds | None:
        """The bounds of what was saved; None if no recommendation has a result and none missed."""
        known = [one.saved for one in self.results if one.saved is not None]
        if not known and not self.missed:
            return None
        total = Bounds()
        for one in known:
            total = total.plus(one)
        return total

    def count(self, status: ResultStatus) -> int:
        """Return how many recommendations have a status."""
        return sum(one.status is status for one in self.results)
