"""How often a file is gone over, and how the time that it takes grows with it."""

import pytest

from models.industrial_llm.dialogues import parse_training_file
from models.industrial_llm.effort import MAX_EPOCHS, TARGET_PASSES, epoch_count, estimate_seconds
from tests.models.industrial_llm.orders import file, orders


@pytest.mark.parametrize(
    ("learned", "rounds"),
    [(10, MAX_EPOCHS), (TARGET_PASSES // 2, 2), (TARGET_PASSES, 1), (20_000, 1)],
)
def test_small_files_are_gone_over_more_often(learned: int, rounds: int) -> None:
    assert epoch_count(learned) == rounds


def test_longer_files_take_longer() -> None:
    few, many = (
        estimate_seconds(parse_training_file(file(*orders(count))), "cpu") for count in (64, 4_000)
    )
    assert few is not None
    assert many is not None
    # 64 short dialogues were measured: 23 s.
    assert 10 <= few <= 46
    assert many > 5 * few


def test_nothing_is_said_of_what_nobody_measured() -> None:
    assert estimate_seconds(parse_training_file(file(*orders(64))), "gpu") is None
