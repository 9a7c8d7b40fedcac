"""Contract net: who bids, in which order, and when a lease goes to the next bidder."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.agents.board.contract_net.bidding import (
    UNRELATED,
    Bidder,
    TaskNeeds,
    asset_distance,
    make_bid,
    rank_bids,
)
from gateway.agents.board.contract_net.leases import has_lapsed, lapse_reason, stuck_reason
from gateway.agents.board.contract_net.values import TaskCode
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_board import AgentTask, TaskKind, TaskStatus

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
A, B, C, SITE, LINE, PUMP, FAN = (UUID(int=number) for number in range(1, 8))
DIAGNOSE = TaskNeeds(kind=TaskKind.DIAGNOSE, path=(SITE, LINE, PUMP))


def bidder(agent_id: UUID = A, **fields: Any) -> Bidder:
    base = {"role": "diagnostician", "version": 1, "predicts": True, "path": (SITE, LINE, PUMP)}
    return Bidder(agent_id=agent_id, **{**base, **fields})


def order(*bidders: Bidder, lapsed: dict[UUID, int] | None = None) -> list[UUID]:
    return [bid.agent_id for bid in rank_bids(DIAGNOSE, bidders, lapsed or {})]


@pytest.mark.parametrize(
    ("path", "other", "steps"),
    [
        ((SITE, LINE, PUMP), (SITE, LINE, PUMP), 0),
        ((SITE, LINE, PUMP), (SITE, LINE), 1),
        ((SITE, LINE, PUMP), (SITE, LINE, FAN), 2),
        ((SITE, PUMP), (LINE, FAN), UNRELATED),
        ((), (SITE,), UNRELATED),
    ],
)
def test_distance_counts_the_steps_to_the_common_ancestor(
    path: tuple[UUID, ...], other: tuple[UUID, ...], steps: int
) -> None:
    assert asset_distance(path, other) == asset_distance(other, path) == steps


def test_nearer_idler_and_richer_members_come_first() -> None:
    near, far = bidder(A), bidder(B, path=(SITE, LINE, FAN))
    assert order(far, near) == [A, B]
    assert order(bidder(A, load=3), bidder(B, path=(SITE, LINE))) == [B, A]
    assert order(bidder(A, budget_left=0.2), bidder(B, budget_left=0.9)) == [B, A]


def test_equal_bids_have_the_same_order_in_every_process() -> None:
    assert order(bidder(B), bidder(C), bidder(A)) == order(bidder(A), bidder(B), bidder(C))


@pytest.mark.parametrize(
    "unable",
    [{"role": "planner"}, {"predicts": False}, {"budget_left": 0.0}],
)
def test_member_without_role_specialist_or_budget_does_not_bid(unable: dict[str, Any]) -> None:
    assert make_bid(DIAGNOSE, bidder(**unable)) is None


def test_third_opinion_is_not_asked_of_who_gave_one() -> None:
    review = TaskNeeds(kind=TaskKind.REVIEW, excluded=frozenset({A}))
    assert [bid.agent_id for bid in rank_bids(review, [bidder(A), bidder(B)], {})] == [B]


def test_executor_bids_with_the_share_of_the_actions_that_it_may_take() -> None:
    wanted = TaskNeeds(kind=TaskKind.EXECUTE, actions=frozenset({"work_order", "spare_part"}))
    half = bidder(A, role="executor", kinds=frozenset({"work_order"}), budget_left=0.0)
    whole = bidder(B, role="executor", kinds=frozenset({"work_order", "spare_part"}))
    bids = rank_bids(wanted, [half, whole, bidder(C, role="executor")], {})
    assert [(bid.agent_id, bid.capability) for bid in bids] == [(B, 1.0), (A, 0.5)]


def test_lapsed_lease_goes_to_the_next_bidder_and_back_if_there_is_no_other() -> None:
    assert order(bidder(A), bidder(B, load=5), lapsed={A: 1}) == [B, A]
    assert order(bidder(A), bidder(B, load=5), lapsed={A: 1, B: 1}) == [A, B]
    assert order(bidder(A), lapsed={A: 3}) == [A]


@pytest.mark.parametrize(
    ("ends_in_s", "lapsed"), [(5.9, False), (0.001, False), (0.0, True), (-1.0, True), (3600, True)]
)
def test_lease_lapses_at_its_end_and_after_a_clock_was_set_back(
    ends_in_s: float, lapsed: bool
) -> None:
    assert has_lapsed(NOW + timedelta(seconds=ends_in_s), 6.0, NOW) is lapsed


def task(**fields: Any) -> AgentTask:
    base = {"status": TaskStatus.HELD, "holder_version": 1, "leases": 1}
    times = {"lease_until": NOW + timedelta(seconds=5), "deadline_at": NOW + timedelta(hours=1)}
    return AgentTask(**{**base, **times, **fields})


@pytest.mark.parametrize(
    ("holder", "fields", "reason"),
    [
        ({}, {}, None),
        ({"version": 2}, {}, TaskCode.HOLDER_CHANGED),
        ({"status": AgentStatus.PAUSED}, {}, TaskCode.HOLDER_INACTIVE),
        ({"status": AgentStatus.DELETED}, {}, TaskCode.HOLDER_INACTIVE),
        ({}, {"lease_until": NOW}, TaskCode.NOT_RENEWED),
        ({}, {"lease_until": None}, TaskCode.NOT_RENEWED),
    ],
)
def test_holder_loses_its_lease_when_it_is_changed_inactive_or_silent(
    holder: dict[str, Any], fields: dict[str, Any], reason: TaskCode | None
) -> None:
    agent = Agent(**{"status": AgentStatus.ACTIVE, "version": 1, **holder})
    assert lapse_reason(task(**fields), agent, 6.0, NOW) == reason


def test_task_of_an_agent_that_is_gone_is_taken_over() -> None:
    assert lapse_reason(task(), None, 6.0, NOW) is TaskCode.HOLDER_INACTIVE


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": TaskStatus.ANNOUNCED, "leases": 2}, None),
        ({"status": TaskStatus.ANNOUNCED, "leases": 3}, TaskCode.STUCK),
        ({"status": TaskStatus.WAITING, "leases": 3}, None),
        ({"deadline_at": NOW}, TaskCode.OVERDUE),
        ({"status": TaskStatus.ANNOUNCED, "leases": 0, "deadline_at": NOW}, TaskCode.UNCLAIMED),
        ({"status": TaskStatus.WAITING, "leases": 0, "deadline_at": NOW}, TaskCode.OVERDUE),
    ],
)
def test_task_with_too_many_leases_or_past_its_deadline_is_stopped(
    fields: dict[str, Any], reason: TaskCode | None
) -> None:
    assert stuck_reason(task(**fields), 3, NOW) == reason
