"""Tables of simulated fleets, and of a run compared with its simulation."""

import random

from load.replay.arrivals import Arrival
from load.replay.call_statistics import LatencyTargets, compute_statistics
from load.simulation.__main__ import multiply_callers
from load.simulation.autoscaler import ScalingRule
from load.simulation.engine_speed import EngineSpeed
from load.simulation.fleet import FleetSettings, SimulationResult, simulate
from load.simulation.report import comparable_figures, render_check, render_fleets
from load.simulation.scenarios import busy_replicas
from tests.load.simulation.calls import evenly

PACE = EngineSpeed(1000, 0.01, 0.0, 4, stall=0.0)
IN_TIME = LatencyTargets(0.3, 0.05)


def ran() -> SimulationResult:
    return simulate(FleetSettings(PACE, ScalingRule(2, 2, 1.0)), evenly(100, 1.0, 100, 51))


def test_simulation_report_has_a_line_for_each_setting() -> None:
    text = render_fleets([("2 always", ran())], IN_TIME)
    # 100 calls, one per second, on two replicas for 99.6 s, each of which costs the whole time.
    assert text.splitlines()[-1] == ("| 2 always | 100.0% | 0.11, 0.11 | 10 | 2.0, 2 | 553 |")


def test_run_compared_with_itself_has_ratio_one() -> None:
    found = compute_statistics(ran().outcomes, 100, IN_TIME, None)
    assert all(one == other for one, other in comparable_figures(found, found).values())
    assert "| first token p50, ms | 110.0 | 110.0 | 1.00 |" in render_check(found, found)


def test_figures_missing_in_a_run_are_not_compared() -> None:
    nothing = compute_statistics([], 100, IN_TIME, None)
    assert set(comparable_figures(nothing, nothing)) == {"goodput, calls/s"}


def test_multiplied_callers_stay_ordered_within_the_duration() -> None:
    calls = [Arrival(float(second), 10, 10) for second in range(600)]
    found = multiply_callers(calls, 5, random.Random(1), 600)
    assert 0.95 * 3000 < len(found) <= 3000
    assert [one.at_s for one in found] == sorted(one.at_s for one in found)
    assert all(0 <= one.at_s < 600 for one in found)


def test_busy_replicas_follow_from_rate_and_service_time() -> None:
    """0.1 s of prefill, and 0.5 s of decoding in one of four slots."""
    calls = [Arrival(0.0, 100, 50)]
    assert busy_replicas(PACE, 10, calls) == 10 * max(0.1, 0.5 / 4)
