"""Schedules: thinning, speed-up and truncation keep the order and add no calls."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.constant_upstream.engine import UpstreamSpeed
from load.replay.arrivals import Arrival
from load.replay.schedule import (
    assign_tenants,
    assign_tiers,
    capacity,
    fill_capacity,
    speed_up,
    thin,
    truncate_to_context,
)

arrivals = st.lists(
    st.builds(Arrival, st.floats(0, 3600), st.integers(1, 20_000), st.integers(1, 3_000)),
    min_size=2,
    max_size=60,
).map(lambda result: sorted(result, key=lambda one: one.at_s))
ENGINE = UpstreamSpeed(1000, 0.01, 4)


class TestScheduleChanges:
    @given(arrivals, st.floats(0.1, 100), st.floats(1, 100))
    def test_sped_up_arrivals_stay_in_order_and_within_the_duration(
        self, calls: list[Arrival], speed: float, seconds: float
    ) -> None:
        result = speed_up(calls, speed, seconds)
        assert len(result) <= len(calls)
        assert [one.at_s for one in result] == sorted(one.at_s for one in result)
        assert all(0 <= one.at_s < seconds for one in result)
        assert not result or result[0].at_s == 0

    @given(arrivals, st.integers(8, 8000))
    def test_truncated_arrivals_fit_the_model_context(
        self, calls: list[Arrival], context: int
    ) -> None:
        cut = truncate_to_context(calls, context)
        for before, after in zip(calls, cut.arrivals, strict=True):
            assert after.at_s == before.at_s
            assert 1 <= after.input_tokens <= before.input_tokens
            assert 1 <= after.output_tokens <= before.output_tokens
            assert after.input_tokens + after.output_tokens <= context
        assert cut.shortened == sum(a != b for a, b in zip(calls, cut.arrivals, strict=True))

    @given(arrivals)
    def test_thinned_arrivals_are_a_subset(self, calls: list[Arrival]) -> None:
        assert thin(calls, 1.0, random.Random(1)) == calls
        assert thin(calls, 0.0, random.Random(1)) == []
        assert set(thin(calls, 0.5, random.Random(1))) <= set(calls)

    @given(arrivals, st.floats(0.1, 2), st.floats(5, 60))
    def test_filled_capacity_has_as_many_arrivals_as_the_load(
        self, calls: list[Arrival], load: float, seconds: float
    ) -> None:
        result = fill_capacity(calls, load, ENGINE, seconds)
        wanted = max(2, round(load * capacity(calls, ENGINE) * seconds))
        assert len(result) == min(wanted, len(calls))
        assert all(0 <= one.at_s < seconds for one in result)


class TestCapacity:
    def test_capacity_is_limited_by_slots_or_prompt_speed(self) -> None:
        assert capacity([Arrival(0, 100, 90)], UpstreamSpeed(1000, 0.01, 4)) == pytest.approx(4)
        assert capacity([Arrival(0, 500, 10)], UpstreamSpeed(1000, 0.01, 4)) == pytest.approx(2)
        assert capacity([Arrival(0, 1, 1)], UpstreamSpeed()) == float("inf")


class TestTenantAssignment:
    def test_tenants_are_assigned_by_share_and_reproducibly(self) -> None:
        calls = [Arrival(float(n), 1, 1) for n in range(5000)]
        shares = {"quiet": 1.0, "noisy": 20.0}
        scheduled = assign_tenants(calls, shares, random.Random(1))
        counted = Counter(one.tenant for one in scheduled)
        assert counted["noisy"] / counted["quiet"] == pytest.approx(20, rel=0.25)
        assert scheduled == assign_tenants(calls, shares, random.Random(1))
        assert [one.arrival for one in scheduled] == calls

    def test_service_tiers_are_assigned_to_all_calls(self) -> None:
        scheduled = assign_tenants(
            [Arrival(float(n), 1, 1) for n in range(100)], {"a": 1}, random.Random(1)
        )
        result = assign_tiers(scheduled, {"priority": 1, "flex": 1}, random.Random(1))
        assert {one.tier for one in result} == {"priority", "flex"}
        assert [one.arrival for one in result] == [one.arrival for one in scheduled]
