"""Rules, assessment and planning of agents: pure parts of a tick."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.agents.assessment import (
    Assessment,
    Basis,
    PredictionUnreadable,
    assess_prediction,
    assess_rules,
)
from gateway.agents.definitions.values import ActionKind, AgentDefinition
from gateway.agents.planning import plan_actions
from gateway.agents.rules import NewestReading, RuleResult, RuleStatus, evaluate_rules
from gateway.agents.running.tick import affordable_nano
from gateway.agents.state import AgentState, Spending
from gateway.agents.store.queue import next_due
from models.policies.maintenance.policy import Action
from tests.support.gateway.agents import PREDICTION, VIBRATION, definition

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)


def rule_result(
    value: float | None,
    age_s: float = 60,
    unit: str = "mm/s",
    since_s: float | None = None,
    **fields: Any,
) -> RuleResult:
    rules = definition(rules=[{**VIBRATION, **fields}]).rules
    time = NOW - timedelta(seconds=age_s)
    readings = {"vibration": NewestReading("V1", unit, value, time)}
    since = {} if since_s is None else {"vibration": NOW - timedelta(seconds=since_s)}
    return evaluate_rules(rules, readings, since, NOW)[0]


@pytest.mark.parametrize(
    ("value", "fields", "status"),
    [
        (4.4, {}, RuleStatus.QUIET),
        (4.5, {}, RuleStatus.QUIET),
        (4.6, {}, RuleStatus.RAISED),
        (None, {}, RuleStatus.STALE),
        (4.6, {"age_s": 3601}, RuleStatus.STALE),
        (4.6, {"age_s": 3599}, RuleStatus.RAISED),
        (0.0044, {"unit": "m/s"}, RuleStatus.QUIET),
        (0.0046, {"unit": "m/s"}, RuleStatus.RAISED),
        (4.6, {"unit": "degC"}, RuleStatus.UNIT),
        (4.6, {"held_for": "5m"}, RuleStatus.PENDING),
        (4.6, {"held_for": "5m", "since_s": 299, "age_s": 0}, RuleStatus.PENDING),
        (4.6, {"held_for": "5m", "since_s": 300, "age_s": 0}, RuleStatus.RAISED),
    ],
)
def test_rule_is_evaluated_by_limit_age_unit_and_time(
    value: float | None, fields: dict[str, Any], status: RuleStatus
) -> None:
    assert rule_result(value, **fields).status is status


def test_rule_without_a_point_says_so() -> None:
    assert evaluate_rules(definition().rules, {}, {}, NOW)[0].status is RuleStatus.NO_POINT


def test_raised_rule_alone_asks_for_an_inspection() -> None:
    found = assess_rules([rule_result(9.0)])
    assert (found.action, found.basis, found.raised) == (
        Action.INSPECT,
        Basis.RULES,
        ("vibration",),
    )


def test_agent_that_sees_nothing_asks_for_an_inspection() -> None:
    found = assess_rules([rule_result(None)])
    assert (found.action, found.unusable) == (Action.INSPECT, ("vibration",))


def test_quiet_rules_ask_for_nothing() -> None:
    assert assess_rules([rule_result(1.0)]).basis is Basis.NOTHING


def assessed(probability: float, **fields: Any) -> Assessment:
    agent = definition(prediction=PREDICTION, **fields)
    assert agent.prediction is not None
    return assess_prediction(agent, agent.prediction, [], {"failure_probability": probability})


def test_prediction_decides_by_expected_cost() -> None:
    assert assessed(0.001).action is Action.WAIT
    found = assessed(0.2)
    assert found.action is Action.INSPECT
    assert found.failure_probability == pytest.approx(0.2)
    assert set(found.costs) == {"wait", "inspect", "stop"}


def test_remaining_life_with_interval_is_read() -> None:
    step = {
        "model": "life-of-bearings",
        "output": "life",
        "outcome": "remaining_life",
        "period": "8h",
        "horizon": 60,
    }
    agent = definition(prediction=step)
    assert agent.prediction is not None
    short = {"life": 1.0, "lower": 0.5, "upper": 2.0}
    found = assess_prediction(agent, agent.prediction, [], short)
    assert found.action is Action.STOP
    longer = {"life": 500.0, "lower": 400.0, "upper": 600.0}
    assert assess_prediction(agent, agent.prediction, [], longer).action is Action.WAIT


@pytest.mark.parametrize("value", [None, "high", 2, -0.1, True])
def test_unreadable_prediction_is_refused(value: object) -> None:
    agent = definition(prediction=PREDICTION)
    assert agent.prediction is not None
    with pytest.raises(PredictionUnreadable):
        assess_prediction(agent, agent.prediction, [], {"failure_probability": value})


INSPECT = Assessment(action=Action.INSPECT, basis=Basis.RULES, raised=("vibration",))
CALM = Assessment(action=Action.WAIT, basis=Basis.NOTHING)
ACTIONS = {"actions": ["work_order", "spare_part"]}


@pytest.mark.parametrize(
    ("autonomy", "tells", "proposed", "taken"),
    [
        ("observe", False, 0, 0),
        ("advise", True, 0, 0),
        ("approve", True, 1, 0),
        ("act", True, 0, 1),
    ],
)
def test_autonomy_decides_what_follows(
    autonomy: str, tells: bool, proposed: int, taken: int
) -> None:
    plan = plan_actions(definition(autonomy=autonomy, **ACTIONS), INSPECT, AgentState(), NOW)
    assert plan.tells is tells
    assert sum(one.needs_approval for one in plan.actions) == proposed
    assert sum(not one.needs_approval for one in plan.actions) == taken


def test_recipients_are_told_once_and_again_when_the_situation_changes() -> None:
    agent = definition()
    first = plan_actions(agent, INSPECT, AgentState(), NOW)
    again = plan_actions(agent, INSPECT, first.state, NOW)
    over = plan_actions(agent, CALM, again.state, NOW)
    assert (first.tells, again.tells, over.tells) == (True, False, True)
    assert not plan_actions(agent, CALM, over.state, NOW).tells


def test_action_is_not_repeated_within_the_cooldown() -> None:
    agent = definition(autonomy="act", **ACTIONS)
    state = plan_actions(agent, INSPECT, AgentState(), NOW).state
    assert plan_actions(agent, INSPECT, state, NOW + timedelta(hours=23)).actions == ()
    assert len(plan_actions(agent, INSPECT, state, NOW + timedelta(hours=24)).actions) == 1


def test_changed_value_for_a_machine_does_not_wait_for_the_cooldown() -> None:
    command = {"tag": "V1.SP", "between": [50, 20], "when": "inspect", "valid_for": "15m"}
    fields = {"actions": ["write"], "commands": [command], "prediction": PREDICTION}
    agent = definition(autonomy="act", **fields)
    careful = definition(autonomy="approve", **fields)

    def values(
        agent: AgentDefinition, probability: float, state: AgentState, **later: float
    ) -> Any:
        decision = Assessment(
            action=Action.INSPECT, basis=Basis.PREDICTION, failure_probability=probability
        )
        plan = plan_actions(agent, decision, state, NOW + timedelta(**later))
        return [write.value for one in plan.actions for write in one.writes], plan.state

    first, state = values(agent, 0.4, AgentState())
    assert first == [38]
    assert values(agent, 0.4, state, hours=23)[0] == []
    assert values(agent, 0.405, state, hours=23)[0] == []  # less than 1 % of 50 to 20
    assert values(agent, 0.4, state, hours=24)[0] == [38]
    changed, state = values(agent, 0.5, state, minutes=1)
    assert (changed, state.written) == ([35], {"V1.SP": 35})
    _, state = values(careful, 0.4, AgentState())
    # A person has one proposal at a time: the next one comes when the first is too old.
    assert values(careful, 0.5, state, minutes=14)[0] == []
    assert values(careful, 0.5, state, minutes=15)[0] == [35]


def test_clock_that_was_set_back_does_not_silence_an_agent() -> None:
    agent = definition(autonomy="act", **ACTIONS)
    state = AgentState(acted={"work_order": NOW + timedelta(days=300)})
    assert len(plan_actions(agent, INSPECT, state, NOW).actions) == 1


def test_only_permitted_actions_are_taken() -> None:
    agent = definition(autonomy="act", actions=["spare_part"])
    part = Assessment(action=Action.STOP, basis=Basis.PREDICTION, order_part=True)
    plan = plan_actions(agent, part, AgentState(), NOW)
    assert [one.kind for one in plan.actions] == [ActionKind.SPARE_PART]


def test_spending_starts_again_with_the_day_and_the_month() -> None:
    spent = Spending(date(2026, 11, 30), 5, 50).plus(1)
    assert spent.at(date(2026, 11, 30)) == Spending(date(2026, 11, 30), 6, 51)
    assert spent.at(date(2026, 12, 1)) == Spending(date(2026, 12, 1), 0, 0)
    assert Spending(date(2026, 12, 1), 5, 50).at(date(2026, 12, 2)).month_nano == 50


def test_call_may_cost_what_the_tightest_budget_leaves() -> None:
    agent = definition(budget={"per_tick": "2", "per_day": "5", "per_month": "6"})
    day = date(2026, 12, 1)
    nano = 10**9
    assert affordable_nano(agent, Spending(day)) == 2 * nano
    assert affordable_nano(agent, Spending(day, 4 * nano, 4 * nano)) == nano
    assert affordable_nano(agent, Spending(day, 0, 6 * nano)) == 0


@pytest.mark.parametrize(
    ("late_s", "expected_s"), [(0, 600), (1, 600), (599, 600), (600, 1200), (86_400, 87_000)]
)
def test_missed_ticks_are_skipped_on_the_same_grid(late_s: int, expected_s: int) -> None:
    found = next_due(NOW, 600, NOW + timedelta(seconds=late_s))
    assert found == NOW + timedelta(seconds=expected_s)


def test_next_tick_after_the_clock_was_set_back_is_one_interval_away() -> None:
    assert next_due(NOW + timedelta(days=9), 600, NOW) == NOW + timedelta(seconds=600)
