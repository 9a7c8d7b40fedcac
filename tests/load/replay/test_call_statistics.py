"""Figures of a replay: goodput, queueing, percentiles and ratios, worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.constant_upstream.engine import Speed
from load.replay.arrivals import Arrival
from load.replay.call_statistics import InTime, figures, percentile, ratio
from load.replay.experiments import BAR, Fairness
from load.replay.player import Played
from load.replay.report import fairness_text
from load.replay.schedule import Due

SPEED = Speed(1000, 0.01, 4)


def played(first_s: float, each_s: float = 0.01, refusal: str = "") -> Played:
    due = Due(Arrival(0, 90, 10), "acme")
    return Played(due, 0.001, first_s, first_s + 0.1, each_s, refusal)


class TestFigures:
    def test_goodput_counts_what_came_in_time(self) -> None:
        calls = [played(0.1), played(0.9), played(1.1), played(0.1, 0.2), played(0.1, refusal="x")]
        found = figures(calls, 2.0, InTime(1.0, 0.05), SPEED)
        assert (found.calls, found.answered, found.good) == (5, 4, 2)
        assert found.goodput_s == 1.0
        assert found.refused == {"x": 1}

    def test_queueing_is_what_the_engine_alone_does_not_take(self) -> None:
        found = figures([played(0.4)], 1.0, InTime(), SPEED)
        assert found.queued_p50 == pytest.approx(300)
        assert figures([played(0.05)], 1.0, InTime(), SPEED).queued_p50 == 0
        assert figures([played(0.4)], 1.0, InTime(), None).queued_p50 is None

    def test_of_nothing(self) -> None:
        found = figures([], 1.0, InTime(), SPEED)
        assert (found.first_p99, found.goodput_s) == (None, 0)


class TestPercentile:
    def test_by_hand(self) -> None:
        values = list(range(1, 101))
        assert percentile(values, 0.99) == 99
        assert percentile(values, 0.5) == 50
        assert percentile([7], 0.99) == 7
        assert percentile([], 0.5) is None

    @given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
    def test_enough_of_them_are_no_greater(self, values: list[float], part: float) -> None:
        found = percentile(values, part)
        assert found in values
        assert sum(value <= found for value in values) >= part * len(values) - 1e-3


class TestFairness:
    def test_ratio_of_the_worst_of_both(self) -> None:
        alone = [played(0.1)] * 99 + [played(0.4)]
        beside = [played(0.5)] * 100
        assert ratio(beside, alone, lambda one: one.first_s) == pytest.approx(5)
        assert ratio([], alone, lambda one: one.first_s) is None
        assert ratio([played(9, refusal="x")], alone, lambda one: one.first_s) is None

    @pytest.mark.parametrize(("value", "held"), [(BAR, True), (BAR + 0.01, False), (None, False)])
    def test_the_bar(self, value: float | None, held: bool) -> None:
        some = figures([played(0.1)], 1.0, InTime(), SPEED)
        found = Fairness(some, some, some, value, None)
        assert found.held is held
        assert "20 times" in fairness_text(found, 1.5)
