"""The rule of decisions by costs: thresholds, ties, and that no other decision is cheaper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decisions.comparison import compare_costs, describe_costs
from models.decisions.rule import NO_ACTION, CostTable, actual_costs, decide

COSTS = st.floats(0.01, 1e6)
EVENTS = st.integers(1, 4)


def table(*pairs: tuple[float, float]) -> CostTable:
    return CostTable(np.array([one for one, _ in pairs]), np.array([two for _, two in pairs]))


@given(st.floats(0, 1), COSTS, COSTS)
def test_acts_only_where_a_miss_is_dearer_than_a_false_alarm_on_average(
    probability: float, false_alarm: float, miss: float
) -> None:
    found = decide(np.array([[probability]]), table((false_alarm, miss)))
    assert found.acts[0] == (probability * miss > (1 - probability) * false_alarm)
    cheaper = min(probability * miss, (1 - probability) * false_alarm)
    assert found.expected_cost[0] == pytest.approx(cheaper, rel=1e-9, abs=1e-9)


@given(st.data(), EVENTS)
def test_no_single_action_is_cheaper_than_the_decision(data: st.DataObject, events: int) -> None:
    weights = data.draw(st.lists(st.floats(0.01, 1), min_size=events + 1, max_size=events + 1))
    pairs = data.draw(st.lists(st.tuples(COSTS, COSTS), min_size=events, max_size=events))
    probabilities = np.array([weights[:events]]) / sum(weights)
    costs = table(*pairs)
    found = decide(probabilities, costs).expected_cost[0]
    missed = (probabilities[0] * costs.misses).sum()
    each = [
        np.delete(probabilities[0] * costs.misses, event).sum()
        + (1 - probabilities[0, event]) * costs.false_alarms[event]
        for event in range(events)
    ]
    assert found <= min(missed, *each) * (1 + 1e-9)


@given(COSTS, COSTS, st.floats(0.001, 1000))
def test_threshold_depends_on_the_ratio_of_costs_only(
    false_alarm: float, miss: float, currency: float
) -> None:
    one = table((false_alarm, miss)).thresholds[0]
    other = table((false_alarm * currency, miss * currency)).thresholds[0]
    assert 0 < one < 1
    assert other == pytest.approx(one)


def test_equal_costs_have_the_threshold_one_half_and_a_tie_is_not_acted_on() -> None:
    found = decide(np.array([[0.5], [0.51]]), table((3, 3)))
    assert found.acts.tolist() == [False, True]
    assert found.chosen.tolist() == [NO_ACTION, 0]


def test_event_with_the_dearest_miss_is_considered_though_another_is_likelier() -> None:
    found = decide(np.array([[0.6, 0.2]]), table((1, 1), (1, 100)))
    assert found.considered.tolist() == [1]


def test_actual_costs_count_false_alarms_and_misses() -> None:
    occurred = np.array([[True, False], [False, True], [False, False], [True, False]])
    found = actual_costs(np.array([0, 0, 1, NO_ACTION]), occurred, table((2, 10), (3, 50)))
    # Right; wrong event and a miss of the other; in vain; missed.
    assert found.tolist() == [0, 52, 3, 10]


def test_comparison_has_costs_of_100_decisions_by_each_rule() -> None:
    probabilities = np.array([[0.9], [0.3], [0.3], [0.01]])
    occurred = np.array([[True], [True], [False], [False]])
    found = compare_costs(probabilities, occurred, table((10, 90)))
    assert found.thresholds[0] == pytest.approx(0.1)
    # At 10 %: one false alarm. At 50 %: one miss.
    assert (found.at_thresholds, found.at_half) == (250, 2250)
    assert (found.always, found.never) == (500, 4500)
    assert "leak from 10.0%" in describe_costs(("leak",), found)
    assert "does not beat" not in describe_costs(("leak",), found)
