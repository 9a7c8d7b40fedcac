"""The method of savings: once within a horizon, and observed only by recorded events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.agents.savings.method import expected_nano, join_events, resolve
from gateway.agents.savings.report import group_ticks
from gateway.agents.savings.values import (
    Activity,
    Bounds,
    Event,
    EvidenceSource,
    PeriodSavings,
    Recommendation,
    Result,
    ResultStatus,
)
from gateway.tables.agents import AgentTick
from infra import ids
from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.maintenance.policy import Action

NOW = datetime(2026, 12, 1, tzinfo=UTC)
COSTS = MaintenanceCosts(planned_stop=1_500, unplanned_stop=12_000, inspection=120)
NANO = 10**9
OUTCOME, REPORT = EvidenceSource.OUTCOME, EvidenceSource.EVENT


def recommended(days_ago: float, **values: Any) -> Recommendation:
    """A recommendation to inspect with a horizon of a week."""
    at = NOW - timedelta(days=days_ago)
    usual = {"action": Action.INSPECT, "costs": COSTS, **values}
    return Recommendation("atick_1", at, at + timedelta(days=7), **usual)


def event(days_ago: float, source: EvidenceSource = REPORT, name: str = "pevt_1") -> Event:
    return Event(name, NOW - timedelta(days=days_ago), source)


def result(
    one: Recommendation, events: list[Event], denied: list[datetime] | None = None
) -> Result:
    return resolve([one], events, denied or [], NOW)[0][0]


def bounds(lower: float, upper: float) -> Bounds:
    return Bounds(round(lower * NANO), round(upper * NANO))


def test_expected_saving_is_that_against_waiting() -> None:
    costs = {"wait": 1829.0, "inspect": 690.0, "stop": 1500.0}
    assert expected_nano(costs, Action.INSPECT) == 1139 * NANO
    assert expected_nano(costs, Action.STOP) == 329 * NANO
    assert expected_nano({}, Action.INSPECT) is None


@pytest.mark.parametrize(
    ("values", "source", "saved"),
    [
        ({"acted": True}, OUTCOME, (10_380, 10_380)),
        ({"acted": True}, REPORT, (-120, 10_380)),
        ({}, REPORT, (-120, 10_380)),
        ({"acted": False}, REPORT, (0, 0)),
        ({"action": Action.STOP, "acted": True}, OUTCOME, (10_500, 10_500)),
        ({"action": Action.STOP}, EvidenceSource.WORK_ORDER, (-1_500, 10_500)),
    ],
)
def test_confirmed_recommendation_saves_by_its_evidence(
    values: dict[str, Any], source: EvidenceSource, saved: tuple[float, float]
) -> None:
    found = result(recommended(20, **values), [event(15, source)])
    assert (found.status, found.saved) == (ResultStatus.CONFIRMED, bounds(*saved))


@pytest.mark.parametrize(
    ("values", "is_denied", "saved"),
    [
        ({"acted": True}, True, (-120, -120)),
        ({}, True, (-120, 0)),
        ({"acted": True}, False, (-120, 0)),
        ({"acted": False}, True, (0, 0)),
        ({"action": Action.STOP, "acted": True}, True, (-1_500, -1_500)),
    ],
)
def test_recommendation_without_an_event_never_saves(
    values: dict[str, Any], is_denied: bool, saved: tuple[float, float]
) -> None:
    denied = [NOW - timedelta(days=15)] if is_denied else []
    found = result(recommended(20, **values), [], denied)
    assert found.status is (ResultStatus.DENIED if is_denied else ResultStatus.UNCONFIRMED)
    assert found.saved == bounds(*saved)


def test_recommendation_is_open_until_its_horizon_is_over() -> None:
    found = result(recommended(3), [event(12)])
    assert (found.status, found.saved) == (ResultStatus.OPEN, None)
    assert result(recommended(7), []).status is ResultStatus.UNCONFIRMED


def test_event_confirms_one_recommendation_and_others_are_missed() -> None:
    first, second = recommended(20), recommended(13)
    results, missed = resolve([first, second], [event(25), event(13, name="pevt_2")], [], NOW)
    assert [one.status for one in results] == [ResultStatus.CONFIRMED, ResultStatus.UNCONFIRMED]
    assert [one.at for one in missed] == [NOW - timedelta(days=25)]


def test_records_of_one_failure_are_joined_and_an_outcome_proves_it() -> None:
    records = [event(9), event(10, EvidenceSource.WORK_ORDER, "ent_1"), event(8, OUTCOME, "outc_1")]
    assert join_events([*records, event(5)]) == [
        Event("outc_1", NOW - timedelta(days=10), OUTCOME),
        event(5),
    ]


def period(*results: Result, missed: tuple[Event, ...] = ()) -> PeriodSavings:
    return PeriodSavings(NOW - timedelta(days=30), NOW, Activity(), results, missed)


def test_period_sums_figures_and_says_what_is_not_known() -> None:
    open_one = result(recommended(1, expected_nano=5 * NANO), [])
    rule = result(recommended(20), [event(15)])
    assert (period().expected_nano, period().observed) == (None, None)
    assert (period(open_one).expected_nano, period(open_one).observed) == (5 * NANO, None)
    both = period(open_one, rule)
    assert (both.expected_nano, both.observed) == (5 * NANO, bounds(-120, 10_380))
    assert (both.count(ResultStatus.OPEN), both.count(ResultStatus.CONFIRMED)) == (1, 1)
    assert period(missed=(event(3),)).observed == Bounds()


def tick(minute: int, raised: list[str], error: str | None = None) -> AgentTick:
    return AgentTick(
        id=ids.new_id(),
        account_id=ids.new_id(),
        agent_id=ids.new_id(),
        version=1,
        scheduled_at=NOW,
        finished_at=NOW + timedelta(minutes=minute),
        rules=[],
        assessment={"action": "inspect" if raised else "wait", "raised": raised},
        error=error,
    )


def test_ticks_of_one_reason_are_one_situation() -> None:
    ticks = [tick(0, ["hot"]), tick(10, ["hot"]), tick(20, []), tick(30, [], "x"), tick(40, [])]
    found = group_ticks(ticks)
    assert [(one.ticks, one.first) for one in found] == [
        (2, ticks[0]),
        (1, ticks[2]),
        (1, ticks[3]),
        (1, ticks[4]),
    ]
    assert found[0].until == ticks[1].finished_at
