"""The method by which savings are stated; pure.

Expected. A recommendation is counted once within its horizon: later ones are about the same
failure. It is expected to save the expected cost of waiting less its own, both with the costs of
the definition that it was made by.

Observed. Only recorded events count. With u, p and i as the costs of an unplanned stop, a planned
stop and an inspection, and `spent` as i for an inspection and p for a stop:

    confirmed, proven by an outcome of a contract    u - p - i for an inspection, u - p for a stop
    confirmed otherwise                              from -spent to that: it may have failed anyway
    denied, or nothing recorded                      from -spent to 0
    denied, and a work order was carried out         -spent
    its work order was rejected, undone or expired   0
    horizon not over                                 not yet known

A failure that was not foreseen saves nothing and costs nothing more than without the agent. What a
recommendation prevented is never assumed: without a record its best result is 0.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from gateway.agents.savings.values import (
    Bounds,
    Event,
    EvidenceSource,
    Recommendation,
    Result,
    ResultStatus,
)
from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.maintenance.policy import Action

# Records of one failure: a report, a work order and an outcome may each have their own time.
APART = timedelta(hours=72)
_NANO = 10**9


def expected_nano(costs: dict[str, float], action: Action) -> int | None:
    """Return what an action is expected to save against waiting; None without expected costs."""
    waiting, chosen = costs.get(Action.WAIT.value), costs.get(action.value)
    if waiting is None or chosen is None:
        return None
    return round((waiting - chosen) * _NANO)


def join_events(events: Iterable[Event]) -> list[Event]:
    """Return events in order of time; those within 72 hours of the first are one.

    An outcome among them makes the joined event one that is proven.
    """
    joined: list[Event] = []
    for one in sorted(events, key=lambda event: (event.at, event.id)):
        if not joined or one.at - joined[-1].at > APART:
            joined.append(one)
        elif one.source is EvidenceSource.OUTCOME:
            joined[-1] = Event(one.id, joined[-1].at, one.source)
    return joined


def resolve(
    recommendations: Sequence[Recommendation],
    events: Sequence[Event],
    denied: Sequence[datetime],
    now: datetime,
) -> tuple[list[Result], list[Event]]:
    """Return the results of recommendations, and the events that none of them preceded.

    Recommendations and events are in order of time; an event confirms the first recommendation
    whose horizon contains it.
    """
    left, results = list(events), []
    for one in recommendations:
        event = next((event for event in left if one.at <= event.at <= one.until), None)
        if event is not None:
            left.remove(event)
        results.append(_result(one, event, denied, now))
    return results, left


def _result(
    one: Recommendation, event: Event | None, denied: Sequence[datetime], now: datetime
) -> Result:
    """Return the result of one recommendation."""
    if event is not None:
        return Result(one, ResultStatus.CONFIRMED, event, _confirmed(one, event))
    if any(one.at <= at <= one.until for at in denied):
        return Result(one, ResultStatus.DENIED, None, _in_vain(one, is_certain=True))
    if now < one.until:
        return Result(one, ResultStatus.OPEN)
    return Result(one, ResultStatus.UNCONFIRMED, None, _in_vain(one, is_certain=False))


def _confirmed(one: Recommendation, event: Event) -> Bounds:
    """Return what a recommendation saved that an event followed."""
    if one.acted is False:
        return Bounds()
    best = _nano(one.costs.unplanned_stop - one.costs.planned_stop) - _inspected(one)
    is_proven = event.source is EvidenceSource.OUTCOME
    return Bounds(best, best) if is_proven else Bounds(-_spent(one.costs, one.action), best)


def _in_vain(one: Recommendation, *, is_certain: bool) -> Bounds:
    """Return what a recommendation saved, or cost, that no event followed."""
    if one.acted is False:
        return Bounds()
    spent = _spent(one.costs, one.action)
    return Bounds(-spent, -spent if is_certain and one.acted else 0)


def _inspected(one: Recommendation) -> int:
    """Return the cost of the inspection before the stop, 0 if none was recommended."""
    return _nano(one.costs.inspection) if one.action is Action.INSPECT else 0


def _spent(costs: MaintenanceCosts, action: Action) -> int:
    """Return what an action costs in vain."""
    return _nano(costs.inspection if action is Action.INSPECT else costs.planned_stop)


def _nano(cost: float) -> int:
    """Return a cost in nano-units."""
    return round(cost * _NANO)
