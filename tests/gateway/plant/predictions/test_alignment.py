"""Values at an instant, and series of equal steps."""

import numpy as np
import pytest

from gateway.plant.predictions.alignment import resample, sampling_interval, value_at
from gateway.plant.predictions.values import PointReadings

S = 1_000_000


def readings(*pairs: tuple[float, float]) -> PointReadings:
    times, values = zip(*pairs, strict=True) if pairs else ((), ())
    return PointReadings((np.array(times) * S).astype(np.int64), np.array(values, dtype=np.float64))


RAMP = readings(*((float(second), float(second)) for second in range(1, 11)))


@pytest.mark.parametrize(
    ("at", "expected"),
    [(10.0, (10.0, 0.0)), (12.5, (10.0, 2.5)), (9.9, (9.0, 0.9)), (0.5, None), (16.0, None)],
)
def test_value_is_the_last_reading_that_is_recent_enough(at, expected):
    found = value_at(RAMP, int(at * S), max_age_s=5.0)
    assert found == (None if expected is None else pytest.approx(expected))


def test_steps_are_means_that_end_at_the_instant():
    series = resample(RAMP, 10 * S, steps=5, step_s=2.0)
    assert series is not None
    assert series.tolist() == [1.5, 3.5, 5.5, 7.5, 9.5]


def test_short_gap_is_interpolated_and_long_gap_is_none():
    gaps = readings((1, 1.0), (2, 2.0), (5, 5.0), (6, 6.0))
    series = resample(gaps, 6 * S, steps=6, step_s=1.0)
    assert series is not None
    assert series.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert resample(readings((1, 1.0), (6, 6.0)), 6 * S, steps=6, step_s=1.0) is None


def test_readings_outside_the_steps_are_not_used():
    assert resample(RAMP, 100 * S, steps=3, step_s=1.0) is None
    assert resample(readings(), 10 * S, steps=3, step_s=1.0) is None


def test_sampling_interval_is_the_median_distance():
    assert sampling_interval(readings((0, 1), (1, 1), (2, 1), (60, 1))) == 1.0
    assert sampling_interval(readings((0, 1))) is None
