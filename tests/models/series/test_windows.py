"""Statistics of windows against those of NumPy, with missing values."""

import numpy as np
import pytest

from models.series.series import spread_over
from models.series.windows import CumulativeSums


@pytest.mark.parametrize("width", [3, 7])
def test_statistics_are_those_of_the_last_steps(width: int) -> None:
    generator = np.random.default_rng(5)
    values = generator.normal(0, 1, (20, 2))
    ends = np.array([9, 20])
    found = CumulativeSums(values).statistics(ends, width)
    for row, end in enumerate(ends):
        window = values[end - width : end]
        slopes = np.polyfit(np.arange(width), window, 1)[0]
        assert np.allclose(found.mean[row], window.mean(axis=0))
        assert np.allclose(found.deviation[row], window.std(axis=0))
        assert np.allclose(found.rise[row], slopes * width)


def test_missing_values_are_left_out() -> None:
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan], [4.0, np.nan]])
    sums, ends = CumulativeSums(values), np.array([3])
    found = sums.statistics(ends, 3)
    assert found.mean[0].tolist() == pytest.approx([2.0, np.nan], nan_ok=True)
    assert sums.means(ends, 3)[0].tolist() == pytest.approx([2.0, np.nan], nan_ok=True)
    assert found.rise[0].tolist() == pytest.approx([3.0, np.nan], nan_ok=True)


def test_one_value_has_no_rise() -> None:
    assert CumulativeSums(np.array([[5.0]])).statistics(np.array([1]), 4).rise.tolist() == [[0.0]]


def test_positions_are_spread_with_the_last_one() -> None:
    assert spread_over(range(100), 5).tolist() == [0, 25, 50, 74, 99]
    assert spread_over([3, 4], 5).tolist() == [3, 4]
