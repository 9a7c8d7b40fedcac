"""Number of epochs for a training file, and the estimated training time."""

import pytest

from models.industrial_llm.dialogues import parse_training_file
from models.industrial_llm.effort import MAX_EPOCHS, epoch_count, estimate_seconds
from tests.models.industrial_llm.orders import file, orders
from tests.support.profile import PROFILE


@pytest.mark.parametrize(
    ("learned", "rounds"),
    [(10, MAX_EPOCHS), (800, 2), (1_600, 1), (20_000, 1)],
)
def test_epoch_count_is_higher_for_small_files(learned: int, rounds: int) -> None:
    assert epoch_count(learned, 1_600) == rounds


def test_estimated_training_time_grows_with_file_size() -> None:
    few, many = (
        estimate_seconds(parse_training_file(file(*orders(count))), PROFILE)
        for count in (64, 4_000)
    )
    assert few is not None
    assert many is not None
    # 64 short dialogues were measured: 23 s.
    assert 10 <= few <= 46
    assert many > 5 * few


def test_larger_base_gets_fewer_epochs_and_more_time() -> None:
    dialogues = parse_training_file(file(*orders(400)))
    small, large = (estimate_seconds(dialogues, profile) for profile in (PROFILE, "cpu"))
    assert small is not None
    assert large is not None
    # A quarter of the examples, each at a tenth of the speed.
    assert 1.5 * small <= large <= 4 * small


def test_training_time_estimate_is_none_without_measurement() -> None:
    assert estimate_seconds(parse_training_file(file(*orders(64))), "gpu") is None
