"""Simulated fleets, compared with exact values and with queueing theory."""

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
from tests.support.nightly import at_length, nightly

PACE = EngineSpeed(prefill_tokens_s=1000, token_s=0.01, token_s_per_answer=0.0, slots=4, stall=0.0)


def one(engine_speed: EngineSpeed, concurrency: int = 0) -> FleetSettings:
    return FleetSettings(engine_speed, ScalingRule(1, 1, 1.0), concurrency)


def result(setup: FleetSettings, calls: Sequence[ScheduledCall]) -> list[CallOutcome]:
    return sorted(simulate(setup, calls).outcomes, key=lambda one: one.scheduled.arrival.at_s)


class TestOneReplica:
    def test_single_call_takes_prefill_plus_decode_time(self) -> None:
        (found,) = result(one(PACE), scheduled((0.0, 500, 101)))
        assert found.first_token_s == pytest.approx(0.51)
        assert found.total_s == pytest.approx(0.5 + 1.01)
        assert found.token_interval_s == pytest.approx(0.01)

    def test_prompts_are_prefilled_sequentially(self) -> None:
        found = result(one(PACE), scheduled((0.0, 500, 1), (0.0, 500, 1)))
        assert [each.total_s for each in found] == pytest.approx([0.51, 1.01])

    def test_decoding_continues_during_prefill_without_stall(self) -> None:
        calls = scheduled((0.0, 0, 100), (0.5, 1000, 1))
        assert result(one(PACE), calls)[0].total_s == pytest.approx(1.0)

    def test_decoding_slows_during_prefill_by_the_stall(self) -> None:
        calls = scheduled((0.0, 0, 100), (0.5, 1000, 1))
        is_complete = result(one(replace(PACE, stall=1.0)), calls)
        half = result(one(replace(PACE, stall=0.5)), calls)
        assert is_complete[0].total_s == pytest.approx(2.0)
        # Decoding at half speed during 1 s of prefill: the other half of the tokens takes 1 s more.
        assert half[0].total_s == pytest.approx(1.5)

    def test_concurrent_responses_slow_each_other_down(self) -> None:
        engine_speed = replace(PACE, token_s_per_answer=0.01)
        found = result(one(engine_speed), scheduled((0.0, 0, 100), (0.0, 0, 100)))
        assert [each.total_s for each in found] == pytest.approx([2.0, 2.0])

    def test_call_without_a_free_slot_waits(self) -> None:
        found = result(one(replace(PACE, slots=2)), scheduled(*[(0.0, 0, 100)] * 3))
        assert sorted(each.total_s for each in found) == pytest.approx([1.0, 1.0, 2.0])

    def test_call_above_the_concurrency_limit_waits_in_the_gateway(self) -> None:
        found = result(one(PACE, concurrency=1), scheduled(*[(0.0, 0, 100)] * 3))
        assert sorted(each.total_s for each in found) == pytest.approx([1.0, 2.0, 3.0])

    @nightly
    def test_mean_wait_equals_queueing_theory(self) -> None:
        """Poisson arrivals with a constant service time and one server (M/D/1): the mean wait is
        load x service time / (2 (1 - load))."""
        rng, at, load, calls = random.Random(5), 0.0, 0.7, []
        for _ in range(at_length(40_000, 20_000)):
            at += rng.expovariate(load)
            calls.append((at, 1000, 1))
        engine_speed = EngineSpeed(1000, 1e-9, 0.0, 10**6, stall=0.0)
        waits = [each.total_s - 1.0 for each in result(one(engine_speed), scheduled(*calls))]
        assert statistics.mean(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.05)


class TestReplicaFleet:
    def test_fixed_replicas_cost_the_whole_duration(self) -> None:
        setup = FleetSettings(PACE, ScalingRule(3, 3, 1.0))
        found = simulate(setup, evenly(50, 1.0, 100, 50))
        assert found.replica_s == pytest.approx(3 * found.seconds)
        assert (found.max_replicas, found.mean_replicas) == (3, pytest.approx(3.0))

    def test_calls_are_sent_to_the_least_loaded_replica(self) -> None:
        setup = FleetSettings(PACE, ScalingRule(2, 2, 1.0))
        assert [
            each.total_s for each in result(setup, scheduled(*[(0.0, 1000, 1)] * 2))
        ] == pytest.approx([1.01, 1.01])

    def test_load_peak_adds_replicas_that_are_removed_afterwards(self) -> None:
        rule = ScalingRule(1, 4, 2.0, look_back_s=10, upscale_delay_s=5, downscale_delay_s=20)
        setup = FleetSettings(PACE, rule, start_s=30)
        crowd = evenly(600, 0.1, 10, 100)
        found = simulate(setup, [*crowd, *evenly_from(300.0, 100, 1.0)])
        assert found.max_replicas == 4
        assert found.replica_s < 4 * found.seconds / 2
        alone = simulate(FleetSettings(PACE, ScalingRule(1, 1, 2.0)), crowd)
        assert worst(found) < worst(alone)

    def test_longer_start_time_increases_the_mean_latency(self) -> None:
        rule = ScalingRule(1, 4, 2.0, look_back_s=10, upscale_delay_s=5)
        crowd = evenly(600, 0.1, 10, 100)
        soon, late = (
            simulate(FleetSettings(PACE, rule, start_s=start), crowd) for start in (5, 60)
        )
        assert mean(soon) < mean(late)

    def test_autoscaler_sees_only_calls_admitted_by_the_gateway(self) -> None:
        """If the gateway admits only as many calls as one replica should run, no second replica is
        started, however many calls wait in the gateway."""
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
    def test_each_call_ends_once_and_not_faster_than_unloaded(
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
