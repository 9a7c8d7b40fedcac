"""Maintenance by expected cost: actions, timing, spare parts, and figures computed by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.policies.maintenance.costs import MaintenanceCosts, MaintenanceCostsInvalid
from models.policies.maintenance.outlook import Outlook, outlook_of_event, outlook_of_life
from models.policies.maintenance.policy import Action, decide_maintenance

COSTS = MaintenanceCosts(planned_stop=1000, unplanned_stop=10_000, inspection=50)


def test_waits_when_failure_is_unlikely() -> None:
    found = decide_maintenance(outlook_of_event(0.001, 7), COSTS)
    assert (found.action, found.stop_in) == (Action.WAIT, None)


def test_inspects_when_failure_is_possible_and_stops_are_dear() -> None:
    assert decide_maintenance(outlook_of_event(0.05, 7), COSTS).action is Action.INSPECT


def test_stops_when_failure_in_this_period_is_likely_and_inspection_finds_little() -> None:
    costs = replace(COSTS, detection=0.3)
    assert decide_maintenance(Outlook(np.array([0.6, 0.3])), costs).action is Action.STOP


def test_costs_of_actions_are_those_computed_by_hand() -> None:
    found = decide_maintenance(Outlook(np.array([0.1, 0.2])), COSTS)
    # Stop now 1000; stop in period 1: .1 × 10000 + .9 × 1000 = 1900; never: .3 × 10000 = 3000.
    assert found.costs[Action.STOP] == pytest.approx(1000)
    assert found.costs[Action.WAIT] == pytest.approx(1900)
    # 50 + .3 × .9 × 1000 + .1 × 3000 + .7 × .05 × 1000
    assert found.costs[Action.INSPECT] == pytest.approx(50 + 270 + 300 + 35)
    assert found.failure_probability == pytest.approx(0.3)


def test_stop_is_planned_after_the_order_that_it_would_delay() -> None:
    costs = replace(COSTS, inspection=5000, order_load=(4000, 4000, 0))
    found = decide_maintenance(Outlook(np.array([0.02, 0.02, 0.3, 0.3])), costs)
    assert (found.action, found.stop_in) == (Action.WAIT, 2)


def test_part_is_ordered_when_the_planned_stop_comes_before_its_delivery_could() -> None:
    costs = replace(COSTS, inspection=9000, spare_part_lead=2, waiting=800)
    found = decide_maintenance(Outlook(np.array([0.01, 0.01, 0.4, 0.4])), costs)
    assert (found.stop_in, found.order_part) == (2, True)


def test_part_is_not_ordered_for_a_machine_that_will_hardly_fail() -> None:
    costs = replace(COSTS, spare_part_lead=5, waiting=800)
    assert not decide_maintenance(outlook_of_event(0.001, 10), costs).order_part


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 30))
def test_higher_probability_never_costs_less(one: float, other: float, horizon: int) -> None:
    low, high = sorted((one, other))
    costs = [
        min(decide_maintenance(outlook_of_event(p, horizon), COSTS).costs.values())
        for p in (low, high)
    ]
    assert costs[0] <= costs[1] + 1e-6


@given(st.floats(0, 1), st.integers(1, 60))
def test_outlook_of_event_sums_to_its_probability(probability: float, horizon: int) -> None:
    assert outlook_of_event(probability, horizon).failures.sum() == pytest.approx(probability)


def test_outlook_of_life_has_the_stated_share_within_its_interval() -> None:
    found = outlook_of_life(20, 40, 60, 0.9, 100)
    assert found.failures[20:60].sum() == pytest.approx(0.9, abs=0.01)
    assert found.failures[:40].sum() == pytest.approx(0.5, abs=0.01)


def test_outlook_of_a_life_without_spread_is_one_period() -> None:
    assert outlook_of_life(5, 5, 5, 0.9, 10).failures.argmax() == 5


def test_outlook_of_a_life_beyond_the_periods_has_no_failures() -> None:
    assert outlook_of_life(500, 500, 500, 0.9, 10).failures.sum() == 0


def test_life_that_is_over_fails_now() -> None:
    assert outlook_of_life(0, 0, 0, 0.9, 10).failures[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("planned_stop", -1.0),
        ("inspection", float("nan")),
        ("waiting", float("inf")),
        ("detection", 1.5),
        ("false_finding", -0.1),
        ("unplanned_stop", 1000.0),
        ("spare_part_lead", -1),
        ("order_load", ()),
        ("order_load", (1.0, float("nan"))),
    ],
)
def test_impossible_cost_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(MaintenanceCostsInvalid, match=field) as caught:
        replace(COSTS, **{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("bad", [[], [0.6, 0.6], [-0.1], [float("nan")]])
def test_outlook_that_is_no_distribution_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="robabilit"):
        Outlook(np.array(bad))
