"""Simulated fleets against what can be reckoned by hand, and against queueing theory."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load.replay.player import CallOutcome
from load.replay.schedule import ScheduledCall
from load.simulation.autoscaler import ScalingRule
from load.simulation.engine_speed import EngineSpeed
from load.simulation.fleet import FleetSettings, SimulationResult, simulate
from tests.load.simulation.calls import evenly, scheduled

PACE = EngineSpeed(prefill_tokens_s=1000, token_s=0.01, token_s_per_answer=0.0, slots=4, stall=0.0)


def one(engine_speed: EngineSpeed, concurrency: int = 0) -> FleetSettings:
    return FleetSettings(engine_speed, ScalingRule(1, 1, 1.0), concurrency)


def result(setup: FleetSettings, calls: Sequence[ScheduledCall]) -> list[CallOutcome]:
    return sorted(simulate(setup, calls).outcomes, key=lambda one: one.scheduled.arrival.at_s)


class TestOneReplica:
    def test_a_call_alone_reads_and_writes(self) -> None:
        (found,) = result(one(PACE), scheduled((0.0, 500, 101)))
        assert found.first_token_s == pytest.approx(0.51)
        assert found.total_s == pytest.approx(0.5 + 1.01)
        assert found.token_interval_s == pytest.approx(0.01)

    def test_prompts_are_read_one_after_the_other(self) -> None:
        found = result(one(PACE), scheduled((0.0, 500, 1), (0.0, 500, 1)))
        assert [each.total_s for each in found] == pytest.approx([0.51, 1.01])

    def test_writing_goes_on_beside_reading_where_nothing_stalls(self) -> None:
        calls = scheduled((0.0, 0, 100), (0.5, 1000, 1))
        assert result(one(PACE), calls)[0].total_s == pytest.approx(1.0)

    def test_writing_stands_still_while_a_prompt_is_read(self) -> None:
        calls = scheduled((0.0, 0, 100), (0.5, 1000, 1))
        is_complete = result(one(replace(PACE, stall=1.0)), calls)
        half = result(one(replace(PACE, stall=0.5)), calls)
        assert is_complete[0].total_s == pytest.approx(2.0)
        # Half as fast for a second of reading, so the half of its tokens that is left takes one.
        assert half[0].total_s == pytest.approx(1.5)

    def test_each_answer_beside_makes_all_slower(self) -> None:
        engine_speed = replace(PACE, token_s_per_answer=0.01)
        found = result(one(engine_speed), scheduled((0.0, 0, 100), (0.0, 0, 100)))
        assert [each.total_s for each in found] == pytest.approx([2.0, 2.0])

    def test_who_comes_when_all_slots_are_taken_waits_for_one(self) -> None:
        found = result(one(replace(PACE, slots=2)), scheduled(*[(0.0, 0, 100)] * 3))
        assert sorted(each.total_s for each in found) == pytest.approx([1.0, 1.0, 2.0])

    def test_who_may_not_be_under_way_waits_in_the_gateway(self) -> None:
        found = result(one(PACE, concurrency=1), scheduled(*[(0.0, 0, 100)] * 3))
        assert sorted(each.total_s for each in found) == pytest.approx([1.0, 2.0, 3.0])

    def test_waiting_is_that_of_theory(self) -> None:
        """Poisson arrivals, each read in the same time, one reader: M/D/1, whose mean wait is
        load times service over 2 (1 - load)."""
        rng, at, load, calls = random.Random(5), 0.0, 0.7, []
        for _ in range(40_000):
            at += rng.expovariate(load)
            calls.append((at, 1000, 1))
        engine_speed = EngineSpeed(1000, 1e-9, 0.0, 10**6, stall=0.0)
        waits = [each.total_s - 1.0 for each in result(one(engine_speed), scheduled(*calls))]
        assert statistics.mean(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.05)


class TestFleet:
    def test_a_fixed_number_is_paid_for_all_the_time(self) -> None:
        setup = FleetSettings(PACE, ScalingRule(3, 3, 1.0))
        found = simulate(setup, evenly(50, 1.0, 100, 50))
        assert found.replica_s == pytest.approx(3 * found.seconds)
        assert (found.max_replicas, found.mean_replicas) == (3, pytest.approx(3.0))

    def test_calls_go_where_there_are_the_fewest(self) -> None:
        setup = FleetSettings(PACE, ScalingRule(2, 2, 1.0))
        assert [
            each.total_s for each in result(setup, scheduled(*[(0.0, 1000, 1)] * 2))
        ] == pytest.approx([1.01, 1.01])

    def test_a_crowd_brings_replicas_and_quiet_takes_them_away(self) -> None:
        rule = ScalingRule(1, 4, 2.0, look_back_s=10, upscale_delay_s=5, downscale_delay_s=20)
        setup = FleetSettings(PACE, rule, start_s=30)
        crowd = evenly(600, 0.1, 10, 100)
        found = simulate(setup, [*crowd, *evenly_from(300.0, 100, 1.0)])
        assert found.max_replicas == 4
        assert found.replica_s < 4 * found.seconds / 2
        alone = simulate(FleetSettings(PACE, ScalingRule(1, 1, 2.0)), crowd)
        assert worst(found) < worst(alone)

    def test_a_replica_that_starts_later_makes_calls_wait_longer(self) -> None:
        rule = ScalingRule(1, 4, 2.0, look_back_s=10, upscale_delay_s=5)
        crowd = evenly(600, 0.1, 10, 100)
        soon, late = (
            simulate(FleetSettings(PACE, rule, start_s=start), crowd) for start in (5, 60)
        )
        assert mean(soon) < mean(late)

    def test_an_autoscaler_sees_no_more_than_the_gateway_lets_through(self) -> None:
        """With as many calls under way as one replica should have, a second is never wanted,
        however many wait in the gateway."""
        rule = ScalingRule(1, 4, 4.0, look_back_s=10, upscale_delay_s=5)
        crowd = evenly(600, 0.05, 10, 100)
        assert (
            simulate(FleetSettings(PACE, rule, concurrency=4, start_s=5), crowd).max_replicas == 1
        )
        assert (
            simulate(FleetSettings(PACE, rule, concurrency=16, start_s=5), crowd).max_replicas == 4
        )

    @settings(max_examples=60)
    @given(
        st.lists(
            st.tuples(st.floats(0, 60), st.integers(0, 3000), st.integers(1, 300)),
            min_size=1,
            max_size=60,
        ),
        st.integers(1, 4),
        st.floats(0, 1),
        st.integers(0, 6),
    )
    def test_each_call_is_answered_once_and_none_sooner_than_alone(
        self, calls: list[tuple[float, int, int]], slots: int, stall: float, concurrency: int
    ) -> None:
        engine_speed = EngineSpeed(1000, 0.01, 0.001, slots, stall)
        rule = ScalingRule(1, 3, 1.0, look_back_s=5, upscale_delay_s=1, downscale_delay_s=5)
        found = simulate(
            FleetSettings(engine_speed, rule, concurrency, start_s=3), scheduled(*calls)
        )
        assert sorted(one.scheduled.arrival.at_s for one in found.outcomes) == sorted(
            c[0] for c in calls
        )
        for each in found.outcomes:
            arrival = each.scheduled.arrival
            alone = arrival.input_tokens / 1000 + 0.01 * arrival.output_tokens
            assert each.total_s >= alone - 1e-6
            assert each.first_token_s is not None
            assert each.first_token_s <= each.total_s


def evenly_from(at_s: float, count: int, token_interval_s: float) -> list[ScheduledCall]:
    return scheduled(*((at_s + number * token_interval_s, 10, 10) for number in range(count)))


def worst(found: SimulationResult) -> float:
    return max(each.total_s for each in found.outcomes)


def mean(found: SimulationResult) -> float:
    return statistics.mean(each.total_s for each in found.outcomes)
