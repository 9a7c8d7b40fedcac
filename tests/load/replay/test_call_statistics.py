"""Figures of a replay: goodput, queueing, percentiles and ratios, against known values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.constant_upstream.engine import UpstreamSpeed
from load.replay.arrivals import Arrival
from load.replay.call_statistics import LatencyTargets, compute_statistics, p99_ratio, percentile
from load.replay.experiments import MAX_P99_RATIO, FairnessResult
from load.replay.player import CallOutcome
from load.replay.report import render_fairness
from load.replay.schedule import ScheduledCall

SPEED = UpstreamSpeed(1000, 0.01, 4)


def outcome(
    first_token_s: float, token_interval_s: float = 0.01, error_code: str = ""
) -> CallOutcome:
    scheduled = ScheduledCall(Arrival(0, 90, 10), "acme")
    return CallOutcome(
        scheduled, 0.001, first_token_s, first_token_s + 0.1, token_interval_s, error_code
    )


class TestCallStatistics:
    def test_goodput_counts_only_calls_within_the_latency_targets(self) -> None:
        calls = [
            outcome(0.1),
            outcome(0.9),
            outcome(1.1),
            outcome(0.1, 0.2),
            outcome(0.1, error_code="x"),
        ]
        result = compute_statistics(calls, 2.0, LatencyTargets(1.0, 0.05), SPEED)
        assert (result.calls, result.answered, result.good) == (5, 4, 2)
        assert result.goodput_s == 1.0
        assert result.refused == {"x": 1}

    def test_queueing_time_is_latency_above_the_unloaded_engine(self) -> None:
        result = compute_statistics([outcome(0.4)], 1.0, LatencyTargets(), SPEED)
        assert result.queued_p50 == pytest.approx(300)
        assert compute_statistics([outcome(0.05)], 1.0, LatencyTargets(), SPEED).queued_p50 == 0
        assert compute_statistics([outcome(0.4)], 1.0, LatencyTargets(), None).queued_p50 is None

    def test_statistics_of_no_calls_are_empty(self) -> None:
        result = compute_statistics([], 1.0, LatencyTargets(), SPEED)
        assert (result.first_token_p99, result.goodput_s) == (None, 0)


class TestPercentile:
    def test_percentile_of_known_values_is_exact(self) -> None:
        values = list(range(1, 101))
        assert percentile(values, 0.99) == 99
        assert percentile(values, 0.5) == 50
        assert percentile([7], 0.99) == 7
        assert percentile([], 0.5) is None

    @given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
    def test_percentile_bounds_the_requested_share_of_values(
        self, values: list[float], part: float
    ) -> None:
        result = percentile(values, part)
        assert result in values
        assert sum(value <= result for value in values) >= part * len(values) - 1e-3


class TestFairness:
    def test_ratio_compares_the_p99_of_both_runs(self) -> None:
        alone = [outcome(0.1)] * 99 + [outcome(0.4)]
        beside = [outcome(0.5)] * 100
        assert p99_ratio(beside, alone, lambda one: one.first_token_s) == pytest.approx(5)
        assert p99_ratio([], alone, lambda one: one.first_token_s) is None
        assert p99_ratio([outcome(9, error_code="x")], alone, lambda one: one.first_token_s) is None

    @pytest.mark.parametrize(
        ("value", "is_met"), [(MAX_P99_RATIO, True), (MAX_P99_RATIO + 0.01, False), (None, False)]
    )
    def test_fairness_is_met_up_to_the_maximum_ratio(
        self, value: float | None, is_met: bool
    ) -> None:
        some = compute_statistics([outcome(0.1)], 1.0, LatencyTargets(), SPEED)
        result = FairnessResult(some, some, some, value, None)
        assert result.is_met is is_met
        assert "20 times" in render_fairness(result, 1.5)
