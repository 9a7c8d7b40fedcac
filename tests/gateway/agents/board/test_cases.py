"""Verdicts that conflict, plans by expected cost, answers of people, and oscillation."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.agents.board.after_tick import may_announce
from gateway.agents.board.contract_net.conflict import Next, conflicts, judge
from gateway.agents.board.contract_net.oscillation import is_oscillating, noted
from gateway.agents.board.contract_net.planning import plan_case, wanted_kinds, wanted_names
from gateway.agents.board.contract_net.values import CaseContent, Verdict
from gateway.agents.board.errors import AgentTaskAnswerInvalid
from gateway.agents.board.tasks import TaskAnswer, answered
from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.maintenance.policy import Action

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
COSTS = MaintenanceCosts(planned_stop=1500, unplanned_stop=12_000, inspection=120)


def said(probability: float | None, role: str = "diagnostician", agent: str = "a") -> Verdict:
    failures = () if probability is None else (probability / 2, probability / 2)
    return Verdict(
        agent=agent, name=agent.upper(), role=role, version=1, action="inspect",
        probability=probability, failures=failures, horizon=2,
    )  # fmt: skip


BY_RULES = said(None, "monitor")


@pytest.mark.parametrize(
    ("one", "other", "disagree"),
    [(0.9, 0.5, False), (0.9, 0.49, True), (0.1, 0.9, True), (None, 0.9, False)],
)
def test_verdicts_conflict_beyond_the_threshold_only(
    one: float | None, other: float | None, disagree: bool
) -> None:
    assert conflicts(said(one), said(other), 0.4) is disagree


@pytest.mark.parametrize(
    ("verdicts", "opinions", "follows"),
    [
        ([BY_RULES, said(0.02)], 1, (Next.PLAN, 1)),
        ([BY_RULES], 1, (Next.PERSON, None)),
        ([said(0.9, "monitor"), said(0.8)], 1, (Next.PLAN, 1)),
        ([said(0.9, "monitor"), said(0.1)], 1, (Next.REVIEW, None)),
        ([said(0.9, "monitor"), said(0.1), said(0.7)], 1, (Next.PLAN, 2)),
        ([said(0.9, "monitor"), said(0.1), said(0.2)], 1, (Next.PLAN, 2)),
        ([said(1.0, "monitor"), said(0.0), said(0.5)], 1, (Next.PERSON, None)),
        ([BY_RULES, said(0.5)], 2, (Next.REVIEW, None)),
        ([BY_RULES, said(0.5), said(0.6)], 2, (Next.PLAN, 2)),
        ([BY_RULES, said(0.1), said(0.9)], 2, (Next.REVIEW, None)),
    ],
)
def test_conflict_goes_to_a_third_verdict_and_else_to_a_person(
    verdicts: list[Verdict], opinions: int, follows: tuple[Next, int | None]
) -> None:
    assert judge(verdicts, 0.4, opinions) == follows


def test_plan_is_the_cheapest_with_the_probability_that_counts() -> None:
    case = CaseContent(verdicts=(BY_RULES, said(0.8)), chosen=1)
    plan = plan_case(case, COSTS)
    assert plan.action is Action.STOP
    assert [kind.value for kind in wanted_kinds(plan)] == ["work_order"]
    calm = plan_case(CaseContent(verdicts=(BY_RULES, said(0.01)), chosen=1), COSTS)
    assert (calm.action, wanted_kinds(calm)) == (Action.WAIT, ())


def test_probability_of_a_person_replaces_that_of_the_verdict() -> None:
    case = CaseContent(verdicts=(said(0.9, "monitor"), said(0.1, agent="b")))
    stated = answered(case, TaskAnswer(probability=0.0))
    assert plan_case(stated, COSTS).action is Action.WAIT
    agreed = answered(case, TaskAnswer(agree_with="a", note="Seen on site."))
    assert (agreed.chosen, plan_case(agreed, COSTS).action) == (0, Action.STOP)


@pytest.mark.parametrize(
    ("answer", "param"),
    [
        (TaskAnswer(), "agree_with"),
        (TaskAnswer(agree_with="a", probability=0.5), "agree_with"),
        (TaskAnswer(agree_with="nobody"), "agree_with"),
        (TaskAnswer(probability=1.5), "probability"),
        (TaskAnswer(probability=float("nan")), "probability"),
        (TaskAnswer(probability=0.5, note="x" * 501), "note"),
    ],
)
def test_answer_that_cannot_be_used_names_its_field(answer: TaskAnswer, param: str) -> None:
    with pytest.raises(AgentTaskAnswerInvalid) as raised:
        answered(CaseContent(verdicts=(said(0.9),)), answer)
    assert raised.value.param == param


def test_case_without_a_plan_wants_no_action() -> None:
    assert wanted_names(None) == frozenset()


@pytest.mark.parametrize(
    ("is_news", "ago_s", "announces"),
    [(False, None, True), (True, 10, True), (False, 10, False), (False, 3600, True),
     (False, -500, True)],
)  # fmt: skip
def test_diagnosis_is_announced_for_news_and_after_the_cooldown(
    is_news: bool, ago_s: float | None, announces: bool
) -> None:
    last = None if ago_s is None else NOW - timedelta(seconds=ago_s)
    assert may_announce(is_news, last, 3600, NOW) is announces


def flips(decisions: str, every_s: float, window_s: float = 3600) -> int:
    """Return the changes that are kept after decisions, a letter each."""
    stored: dict[str, object] = {}
    count = 0
    for number, letter in enumerate(decisions):
        at = NOW + timedelta(seconds=number * every_s)
        stored, decided = noted(stored, "asset", letter, at, window_s)
        count = len(decided.flips)
    return count


def test_changes_within_the_window_are_counted() -> None:
    assert flips("wwwww", 60) == 0
    assert flips("wiwiw", 60) == 4
    assert flips("wiwiw", 1800) == 2


def test_member_oscillates_with_more_changes_than_allowed() -> None:
    stored: dict[str, object] = {}
    for number, letter in enumerate("wiwi"):
        at = NOW + timedelta(seconds=number)
        stored, decided = noted(stored, "asset", letter, at, 60)
    assert (is_oscillating(decided, 3), is_oscillating(decided, 2)) == (False, True)


def test_changes_of_the_future_are_dropped_when_the_clock_was_set_back() -> None:
    stored: dict[str, object] = {}
    for number, letter in enumerate("wiwiw"):
        stored, _ = noted(stored, "asset", letter, NOW + timedelta(seconds=number), 60)
    _, decided = noted(stored, "asset", "w", NOW - timedelta(days=1), 60)
    assert decided.flips == ()


def test_decisions_about_many_assets_keep_the_latest() -> None:
    stored: dict[str, object] = {}
    for number in range(250):
        at = NOW + timedelta(seconds=number)
        stored, _ = noted(stored, f"asset {number}", "w", at, 60)
    assert len(stored) == 200
    assert "asset 249" in stored
