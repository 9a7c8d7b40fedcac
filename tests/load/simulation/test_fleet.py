"""Simulated fleets against what can be reckoned by hand, and against queueing theory."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load.replay.player import Played
from load.replay.schedule import Due
from load.simulation.autoscaler import Rule
from load.simulation.engine_speed import Pace
from load.simulation.fleet import Run, Setup, simulate
from tests.load.simulation.calls import due, evenly

PACE = Pace(prefill_tokens_s=1000, token_s=0.01, token_s_each=0.0, slots=4, stall=0.0)


def one(pace: Pace, concurrency: int = 0) -> Setup:
    return Setup(pace, Rule(1, 1, 1.0), concurrency)


def run(setup: Setup, calls: Sequence[Due]) -> list[Played]:
    return sorted(simulate(setup, calls).played, key=lambda one: one.due.arrival.at_s)


class TestOneReplica:
    def test_a_call_alone_reads_and_writes(self) -> None:
        (found,) = run(one(PACE), due((0.0, 500, 101)))
        assert found.first_s == pytest.approx(0.51)
        assert found.total_s == pytest.approx(0.5 + 1.01)
        assert found.each_s == pytest.approx(0.01)

    def test_prompts_are_read_one_after_the_other(self) -> None:
        found = run(one(PACE), due((0.0, 500, 1), (0.0, 500, 1)))
        assert [each.total_s for each in found] == pytest.approx([0.51, 1.01])

    def test_writing_goes_on_beside_reading_where_nothing_stalls(self) -> None:
        calls = due((0.0, 0, 100), (0.5, 1000, 1))
        assert run(one(PACE), calls)[0].total_s == pytest.approx(1.0)

    def test_writing_stands_still_while_a_prompt_is_read(self) -> None:
        calls = due((0.0, 0, 100), (0.5, 1000, 1))
        whole = run(one(replace(PACE, stall=1.0)), calls)
        half = run(one(replace(PACE, stall=0.5)), calls)
        assert whole[0].total_s == pytest.approx(2.0)
        # Half as fast for a second of reading, so the half of its tokens that is left takes one.
        assert half[0].total_s == pytest.approx(1.5)

    def test_each_answer_beside_makes_all_slower(self) -> None:
        pace = replace(PACE, token_s_each=0.01)
        found = run(one(pace), due((0.0, 0, 100), (0.0, 0, 100)))
        assert [each.total_s for each in found] == pytest.approx([2.0, 2.0])

    def test_who_comes_when_all_slots_are_taken_waits_for_one(self) -> None:
        found = run(one(replace(PACE, slots=2)), due(*[(0.0, 0, 100)] * 3))
        assert sorted(each.total_s for each in found) == pytest.approx([1.0, 1.0, 2.0])

    def test_who_may_not_be_under_way_waits_in_the_gateway(self) -> None:
        found = run(one(PACE, concurrency=1), due(*[(0.0, 0, 100)] * 3))
        assert sorted(each.total_s for each in found) == pytest.approx([1.0, 2.0, 3.0])

    def test_waiting_is_that_of_theory(self) -> None:
        """Poisson arrivals, each read in the same time, one reader: M/D/1, whose mean wait is
        load times service over 2 (1 - load)."""
        chance, at, load, calls = random.Random(5), 0.0, 0.7, []
        for _ in range(40_000):
            at += chance.expovariate(load)
            calls.append((at, 1000, 1))
        pace = Pace(1000, 1e-9, 0.0, 10**6, stall=0.0)
        waits = [each.total_s - 1.0 for each in run(one(pace), due(*calls))]
        assert statistics.mean(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.05)


class TestFleet:
    def test_a_fixed_number_is_paid_for_all_the_time(self) -> None:
        setup = Setup(PACE, Rule(3, 3, 1.0))
        found = simulate(setup, evenly(50, 1.0, 100, 50))
        assert found.replica_s == pytest.approx(3 * found.seconds)
        assert (found.most, found.mean_replicas) == (3, pytest.approx(3.0))

    def test_calls_go_where_there_are_the_fewest(self) -> None:
        setup = Setup(PACE, Rule(2, 2, 1.0))
        assert [each.total_s for each in run(setup, due(*[(0.0, 1000, 1)] * 2))] == pytest.approx(
            [1.01, 1.01]
        )

    def test_a_crowd_brings_replicas_and_quiet_takes_them_away(self) -> None:
        rule = Rule(1, 4, 2.0, look_back_s=10, upscale_delay_s=5, downscale_delay_s=20)
        setup = Setup(PACE, rule, start_s=30)
        crowd = evenly(600, 0.1, 10, 100)
        found = simulate(setup, [*crowd, *evenly_from(300.0, 100, 1.0)])
        assert found.most == 4
        assert found.replica_s < 4 * found.seconds / 2
        alone = simulate(Setup(PACE, Rule(1, 1, 2.0)), crowd)
        assert worst(found) < worst(alone)

    def test_a_replica_that_starts_later_makes_calls_wait_longer(self) -> None:
        rule = Rule(1, 4, 2.0, look_back_s=10, upscale_delay_s=5)
        crowd = evenly(600, 0.1, 10, 100)
        soon, late = (simulate(Setup(PACE, rule, start_s=start), crowd) for start in (5, 60))
        assert mean(soon) < mean(late)

    def test_an_autoscaler_sees_no_more_than_the_gateway_lets_through(self) -> None:
        """With as many calls under way as one replica should have, a second is never wanted,
        however many wait in the gateway."""
        rule = Rule(1, 4, 4.0, look_back_s=10, upscale_delay_s=5)
        crowd = evenly(600, 0.05, 10, 100)
        assert simulate(Setup(PACE, rule, concurrency=4, start_s=5), crowd).most == 1
        assert simulate(Setup(PACE, rule, concurrency=16, start_s=5), crowd).most == 4

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
        pace = Pace(1000, 0.01, 0.001, slots, stall)
        rule = Rule(1, 3, 1.0, look_back_s=5, upscale_delay_s=1, downscale_delay_s=5)
        found = simulate(Setup(pace, rule, concurrency, start_s=3), due(*calls))
        assert sorted(one.due.arrival.at_s for one in found.played) == sorted(c[0] for c in calls)
        for each in found.played:
            arrival = each.due.arrival
            alone = arrival.input_tokens / 1000 + 0.01 * arrival.output_tokens
            assert each.total_s >= alone - 1e-6
            assert each.first_s is not None
            assert each.first_s <= each.total_s


def evenly_from(at_s: float, count: int, each_s: float) -> list[Due]:
    return due(*((at_s + number * each_s, 10, 10) for number in range(count)))


def worst(found: Run) -> float:
    return max(each.total_s for each in found.played)


def mean(found: Run) -> float:
    return statistics.mean(each.total_s for each in found.played)
