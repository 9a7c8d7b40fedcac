"""An engine's pace from the times of its calls."""

from collections.abc import Sequence

import pytest

from load.replay.player import Played
from load.simulation.autoscaler import Rule
from load.simulation.engine_speed import Pace
from load.simulation.fleet import Setup, simulate
from load.simulation.speed_measurement import pace
from tests.load.simulation.calls import due

TRUE = Pace(prefill_tokens_s=900, token_s=0.02, token_s_each=0.003, slots=8)


def played(*calls: tuple[float, int, int]) -> Sequence[Played]:
    return simulate(Setup(TRUE, Rule(1, 1, 1.0)), due(*calls)).played


def test_a_pace_is_found_again() -> None:
    found = pace(
        played((0.0, 16, 48)), played(*[(0.0, 16, 480)] * 8), played((0.0, 2000, 2)), slots=8
    )
    assert found.prefill_tokens_s == pytest.approx(900)
    assert found.token_s == pytest.approx(0.02)
    assert found.token_s_each == pytest.approx(0.003, rel=0.1)
    assert (found.slots, found.stall) == (8, 1.0)
