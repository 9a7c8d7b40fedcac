"""Cross-validation: how far off a month is that the baseline has not seen, by hand."""

import numpy as np
import pytest

from billing.outcomes.measurement.cross_validation import cross_validated_monthly_bias
from billing.outcomes.measurement.noise import DayArray, FloatArray

DAYS = np.arange(60) + 739_000


def ones(days: DayArray = DAYS) -> FloatArray:
    return np.ones((len(days), 1))


def test_two_months_that_differ() -> None:
    # 10 a day, then 14: each is 4 off, though the mean of all fits both together.
    values = np.where(np.arange(60) < 30, 10.0, 14.0)
    assert (values - values.mean()).sum() == 0
    assert cross_validated_monthly_bias(values, ones(), DAYS) == pytest.approx(4)


def test_of_three_months_one_is_off() -> None:
    # 10, 10 and 16: off by -3, -3 and 6, each of 30 days; pooled they would be nothing.
    days = np.arange(90) + 739_000
    values = np.repeat([10.0, 10.0, 16.0], 30)
    assert cross_validated_monthly_bias(values, ones(days), days) == pytest.approx(
        ((9 + 9 + 36) / 3) ** 0.5
    )


def test_by_their_days() -> None:
    # Of the second month every other day is lacking: 30 and 15 days, 4 off each.
    keep = (np.arange(60) < 30) | (np.arange(60) % 2 == 0)
    values = np.where(np.arange(60) < 30, 10.0, 14.0)[keep]
    assert cross_validated_monthly_bias(values, ones(DAYS[keep]), DAYS[keep]) == pytest.approx(4)


def test_few_days_are_two_parts() -> None:
    # Ten days are no month: five of 10 and five of 12 are 2 off each.
    values = np.repeat([10.0, 12.0], 5)
    assert cross_validated_monthly_bias(values, ones(DAYS[:10]), DAYS[:10]) == pytest.approx(2)


def test_a_column_that_explains_it_is_not_off() -> None:
    parts = np.where(np.arange(60) < 30, 100.0, 140.0) + np.arange(60) % 7
    columns = np.column_stack([np.ones(60), parts])
    assert cross_validated_monthly_bias(5 + 0.1 * parts, columns, DAYS) == pytest.approx(
        0, abs=1e-9
    )


def test_a_column_that_only_one_month_knows() -> None:
    # Without that month nothing tells its effect, so it is off by all of it.
    only = np.where(np.arange(60) < 30, 0.0, 1.0)
    columns = np.column_stack([np.ones(60), only])
    assert cross_validated_monthly_bias(10 + 4 * only, columns, DAYS) > 2
