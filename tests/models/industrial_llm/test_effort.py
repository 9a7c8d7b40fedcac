"""How often a file is gone over, and how the time that it takes grows with it."""

import pytest

from models.industrial_llm.dialogues import read
from models.industrial_llm.effort import MOST_ROUNDS, PASSES, likely_seconds, rounds_of
from tests.models.industrial_llm.orders import file, orders


@pytest.mark.parametrize(
    ("learned", "rounds"), [(10, MOST_ROUNDS), (PASSES // 2, 2), (PASSES, 1), (20_000, 1)]
)
def test_small_files_are_gone_over_more_often(learned: int, rounds: int) -> None:
    assert rounds_of(learned) == rounds


def test_longer_files_take_longer() -> None:
    few, many = (likely_seconds(read(file(*orders(count))), "cpu") for count in (64, 4_000))
    assert few is not None
    assert many is not None
    # 64 short dialogues were measured: 23 s.
    assert 10 <= few <= 46
    assert many > 5 * few


def test_nothing_is_said_of_what_nobody_measured() -> None:
    assert likely_seconds(read(file(*orders(64))), "gpu") is None
