"""Cross-validation: error of months that the baseline was not fitted to, computed manually."""

import numpy as np
import pytest

from billing.outcomes.measurement.cross_validation import cross_validated_monthly_bias
from billing.outcomes.measurement.noise import DayArray, FloatArray

DAYS = np.arange(60) + 739_000


def ones(days: DayArray = DAYS) -> FloatArray:
    return np.ones((len(days), 1))


def test_two_different_months_give_their_difference_as_bias() -> None:
    # 10 a day, then 14: each month is off by 4, though the mean of both has no bias.
    values = np.where(np.arange(60) < 30, 10.0, 14.0)
    assert (values - values.mean()).sum() == 0
    assert cross_validated_monthly_bias(values, ones(), DAYS) == pytest.approx(4)


def test_bias_of_three_months_is_the_root_mean_square() -> None:
    # 10, 10 and 16: off by -3, -3 and 6 on 30 days each; pooled they would be 0.
    days = np.arange(90) + 739_000
    values = np.repeat([10.0, 10.0, 16.0], 30)
    assert cross_validated_monthly_bias(values, ones(days), days) == pytest.approx(
        ((9 + 9 + 36) / 3) ** 0.5
    )


def test_bias_of_months_is_weighted_by_their_days() -> None:
    # The second month has every other day only: 30 and 15 days, off by 4 each.
    keep = (np.arange(60) < 30) | (np.arange(60) % 2 == 0)
    values = np.where(np.arange(60) < 30, 10.0, 14.0)[keep]
    assert cross_validated_monthly_bias(values, ones(DAYS[keep]), DAYS[keep]) == pytest.approx(4)


def test_bias_of_few_days_uses_two_halves() -> None:
    # Ten days are less than a month: five of 10 and five of 12 are off by 2 each.
    values = np.repeat([10.0, 12.0], 5)
    assert cross_validated_monthly_bias(values, ones(DAYS[:10]), DAYS[:10]) == pytest.approx(2)


def test_bias_is_zero_if_a_column_explains_the_difference() -> None:
    parts = np.where(np.arange(60) < 30, 100.0, 140.0) + np.arange(60) % 7
    columns = np.column_stack([np.ones(60), parts])
    assert cross_validated_monthly_bias(5 + 0.1 * parts, columns, DAYS) == pytest.approx(
        0, abs=1e-9
    )


def test_bias_is_large_if_a_column_varies_in_one_month_only() -> None:
    # Without that month the column's effect is unknown, so the whole effect is missing.
    only = np.where(np.arange(60) < 30, 0.0, 1.0)
    columns = np.column_stack([np.ones(60), only])
    assert cross_validated_monthly_bias(10 + 4 * only, columns, DAYS) > 2
