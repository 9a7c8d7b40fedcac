"""Estimating an engine's speed from the times of its calls."""

from collections.abc import Sequence

import pytest

from load.replay.player import CallOutcome
from load.simulation.autoscaler import ScalingRule
from load.simulation.engine_speed import EngineSpeed
from load.simulation.fleet import FleetSettings, simulate
from load.simulation.speed_measurement import estimate_speed
from tests.load.simulation.calls import scheduled

TRUE = EngineSpeed(prefill_tokens_s=900, token_s=0.02, token_s_per_answer=0.003, slots=8)


def outcomes(*calls: tuple[float, int, int]) -> Sequence[CallOutcome]:
    return simulate(FleetSettings(TRUE, ScalingRule(1, 1, 1.0)), scheduled(*calls)).outcomes


def test_estimated_speed_equals_the_simulated_speed() -> None:
    found = estimate_speed(
        outcomes((0.0, 16, 48)), outcomes(*[(0.0, 16, 480)] * 8), outcomes((0.0, 2000, 2)), slots=8
    )
    assert found.prefill_tokens_s == pytest.approx(900)
    assert found.token_s == pytest.approx(0.02)
    assert found.token_s_per_answer == pytest.approx(0.003, rel=0.1)
    assert (found.slots, found.stall) == (8, 1.0)
