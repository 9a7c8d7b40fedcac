"""Replay by block: one for each event, adding up to the replay of the whole history."""

import numpy as np
import pytest

from models.policies.warnings.history import MachineHistory
from models.policies.warnings.replay import WarningResult, replay_blocks, replay_warnings


def history(events: tuple[tuple[int, int], ...]) -> MachineHistory:
    """Return 200 ticks, of which the first ten are normal."""
    return MachineHistory("m", np.zeros((200, 1)), events, 10)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "events", [(), ((50, 60),), ((20, 30), (31, 40), (120, 180)), ((10, 10), (199, 199))]
)
def test_blocks_add_up_to_the_whole(events: tuple[tuple[int, int], ...], seed: int) -> None:
    wanted = np.random.default_rng(seed).random(200) < 0.2
    one = history(events)
    blocks = replay_blocks(wanted, one, 5)
    assert len(blocks) == max(1, len(events))
    assert sum(blocks, WarningResult()) == replay_warnings(wanted, one, 5)


def test_warning_belongs_to_the_nearer_event() -> None:
    wanted = np.zeros(200, dtype=bool)
    wanted[[55, 80, 140]] = True
    first, second = replay_blocks(wanted, history(((50, 60), (150, 160))), 5)
    assert (first.caught, first.false_alarms) == (1, 1)
    assert (second.caught, second.missed, second.false_alarms) == (0, 1, 1)
