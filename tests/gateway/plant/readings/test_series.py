"""Merging, downsampling and aggregation of series."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant.readings.downsampling import downsample
from gateway.plant.readings.merging import compare, merge
from gateway.plant.readings.quality import BAD, UNCERTAIN
from gateway.plant.readings.rollups import Rollup, combine, roll_up
from gateway.plant.readings.storage.writing import split_by_hour
from gateway.plant.readings.values import HOUR_US, MINUTE_US, Series

NAN = float("nan")
POINTS = st.dictionaries(st.integers(0, 50), st.integers(0, 3).map(float), max_size=40)


def series(points: dict[int, float]) -> Series:
    """A series of values by time."""
    return Series.of(sorted(points), [points[time] for time in sorted(points)])


@given(POINTS, POINTS)
def test_comparison_counts_each_reading_once_and_the_last_write_wins(
    stored: dict[int, float], incoming: dict[int, float]
) -> None:
    result = compare(series(incoming), series(stored))
    assert result.new == len(incoming.keys() - stored.keys())
    assert result.duplicates == sum(stored.get(time) == one for time, one in incoming.items())
    assert result.new + result.duplicates + result.revised == len(incoming)
    assert int(result.to_store.revised.sum()) == result.revised
    merged = merge([series(stored), result.to_store])
    expected = {**stored, **incoming}
    assert merged.times.tolist() == sorted(expected)
    assert merged.values.tolist() == [expected[time] for time in sorted(expected)]


def test_readings_without_value_and_with_other_quality_are_compared() -> None:
    stored = Series.of([1, 2, 3], [NAN, NAN, 5.0], [BAD, BAD, 0])
    incoming = Series.of([1, 2, 3], [NAN, 4.0, 5.0], [BAD, 0, UNCERTAIN])
    result = compare(incoming, stored)
    assert (result.new, result.duplicates, result.revised) == (0, 1, 2)
    assert result.to_store.times.tolist() == [2, 3]


def test_last_reading_of_one_time_counts() -> None:
    merged = merge([Series.of([5, 1, 5, 3], [1.0, 2.0, 3.0, 4.0])])
    assert (merged.times.tolist(), merged.values.tolist()) == ([1, 3, 5], [2.0, 4.0, 3.0])


@given(
    st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(NAN)), min_size=1, max_size=300),
    st.integers(8, 64),
)
def test_downsampling_keeps_extremes_and_ends(values: list[float], most: int) -> None:
    whole = Series.of(np.cumsum(np.arange(len(values)) % 7 + 1), values)
    reduced = downsample(whole, most)
    assert len(reduced) <= most
    assert (np.diff(reduced.times) > 0).all()
    assert {whole.times[0], whole.times[-1]} <= set(reduced.times.tolist())
    known = whole.values[~np.isnan(whole.values)]
    if len(known):
        assert {known.min(), known.max()} <= set(reduced.values.tolist())


def test_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        downsample(Series.empty(), 7)


def test_rollups_leave_out_bad_readings_and_combine_exactly() -> None:
    times = [0, 10, MINUTE_US, MINUTE_US + 5, HOUR_US]
    whole = Series.of(times, [1.0, 9.0, 3.0, NAN, 7.0], [0, BAD, UNCERTAIN, BAD, 0])
    minutes = roll_up(whole, MINUTE_US)
    assert minutes.starts.tolist() == [0, MINUTE_US, HOUR_US]
    hours = combine(Rollup.from_bytes(minutes.to_bytes()), HOUR_US)
    assert hours.starts.tolist() == [0, HOUR_US]
    assert hours.minimums.tolist() == [1.0, 7.0]
    assert hours.maximums.tolist() == [3.0, 7.0]
    assert hours.means.tolist() == [2.0, 7.0]
    assert hours.counts.tolist() == [2, 1]
    assert hours.lasts.tolist() == [3.0, 7.0]
    assert len(roll_up(Series.of([1], [1.0], [BAD]), MINUTE_US)) == 0
    assert len(combine(roll_up(Series.empty(), MINUTE_US), HOUR_US)) == 0


@given(st.lists(st.integers(0, 5 * HOUR_US), min_size=1, max_size=50, unique=True))
def test_split_by_hour_returns_every_reading_in_its_hour(times: list[int]) -> None:
    ordered = sorted(times)
    parts = list(split_by_hour(Series.of(ordered, [0.0] * len(ordered))))
    assert [time for _, part in parts for time in part.times.tolist()] == ordered
    assert all((part.times // HOUR_US == hour).all() for hour, part in parts)


def test_lengths_of_a_series_must_agree() -> None:
    with pytest.raises(ValueError, match="one length"):
        Series.of([1, 2], [1.0])
