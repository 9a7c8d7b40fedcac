"""Filters: the stated bounds hold for any series, and nothing at the ends is lost."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant.readings.filtering.deadband import Deadband, Midrange, ReportByException
from gateway.plant.readings.filtering.filter import ReadingFilter, Sample, apply
from gateway.plant.readings.filtering.reconstruction import held, interpolated
from gateway.plant.readings.filtering.swinging_door import SwingingDoor
from gateway.plant.readings.filtering.timed import RateLimit, WindowMean
from gateway.plant.readings.quality import BAD, UNCERTAIN

SECOND = 1_000_000
VALUES = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3))
BOUNDS = st.floats(1e-3, 1e3)


@st.composite
def series(draw: st.DrawFn) -> list[Sample]:
    """Readings in order of time, with noise and slopes."""
    steps = draw(st.lists(st.tuples(st.integers(1, 10**7), VALUES), min_size=1, max_size=60))
    times = np.cumsum([step for step, _ in steps])
    return [Sample(int(time), value) for time, (_, value) in zip(times, steps, strict=True)]


def _errors(
    chosen: ReadingFilter,
    samples: Sequence[Sample],
    restore: Callable[[Sequence[Sample], Sequence[int]], object],
) -> float:
    """The largest error of a series that was filtered and restored."""
    kept = list(apply(chosen, samples))
    assert [one.time_us for one in kept] == sorted({one.time_us for one in kept})
    assert kept[0].time_us == samples[0].time_us
    restored = np.asarray(restore(kept, [one.time_us for one in samples]))
    return float(np.abs(restored - [one.value or 0.0 for one in samples]).max())


@given(series(), BOUNDS)
def test_deadband_errors_stay_within_the_bound(samples: list[Sample], bound: float) -> None:
    assert _errors(Deadband(bound), samples, held) <= bound


def test_last_point_of_a_line_keeps_earlier_readings_within_the_bound() -> None:
    samples = [Sample(1, 3067.0, 0), Sample(57_521, 0.0, 0), Sample(57_997, 0.0, 0)]
    assert _errors(SwingingDoor(25.0), samples, interpolated) <= 25.0 + 1e-6


@given(series(), BOUNDS)
def test_swinging_door_errors_stay_within_the_bound(samples: list[Sample], bound: float) -> None:
    # Values of a million have a rounding error of the interpolation itself.
    assert _errors(SwingingDoor(bound), samples, interpolated) <= bound + 1e-6


@given(series(), BOUNDS)
def test_midrange_errors_stay_within_the_bound(samples: list[Sample], bound: float) -> None:
    assert _errors(Midrange(bound), samples, held) <= bound * (1 + 1e-9) + 1e-9


@given(series(), BOUNDS)
def test_last_reading_is_sent_within_the_bound(samples: list[Sample], bound: float) -> None:
    for chosen in (Deadband(bound), SwingingDoor(bound)):
        last = list(apply(chosen, samples))[-1]
        assert last.time_us == samples[-1].time_us
        assert abs((last.value or 0.0) - (samples[-1].value or 0.0)) <= bound + 1e-6


@given(st.lists(st.integers(0, 3).map(float), min_size=1, max_size=60))
def test_report_by_exception_loses_nothing(values: list[float]) -> None:
    samples = [Sample(at * SECOND, value) for at, value in enumerate(values)]
    assert _errors(ReportByException(), samples, held) == 0


@given(series(), st.integers(1, 10**8))
def test_rate_limit_keeps_intervals(samples: list[Sample], interval: int) -> None:
    kept = list(apply(RateLimit(interval), samples))
    assert all(np.diff([one.time_us for one in kept])[:-1] >= interval)
    assert (kept[0], kept[-1]) == (samples[0], samples[-1])


@given(series(), st.integers(1, 10**8))
def test_window_means_deviate_at_most_by_the_stated_deviation(
    samples: list[Sample], window: int
) -> None:
    chosen = WindowMean(window)
    kept = list(apply(chosen, samples))
    restored = held(kept, [one.time_us // window * window for one in samples])
    deviation = np.abs(restored - [one.value or 0.0 for one in samples]).max()
    assert deviation <= chosen.max_deviation + 1e-9
    assert len(kept) == len({one.time_us // window for one in samples})


@pytest.mark.parametrize(
    "create",
    [
        lambda: Deadband(1.0),
        lambda: Midrange(1.0),
        ReportByException,
        lambda: SwingingDoor(1.0),
        lambda: RateLimit(3 * SECOND),
    ],
)
def test_changes_of_quality_and_missing_values_are_kept(
    create: Callable[[], ReadingFilter],
) -> None:
    samples = [
        Sample(0, 1.0),
        Sample(1 * SECOND, 1.0),
        Sample(2 * SECOND, 1.0, UNCERTAIN),
        Sample(3 * SECOND, None, BAD),
        Sample(4 * SECOND, 1.0),
        Sample(5 * SECOND, 1.0),
    ]
    kept = list(apply(create(), samples))
    assert {samples[0], *samples[2:5]} <= set(kept)


def test_constant_series_is_sent_at_the_latest_after_the_silence() -> None:
    samples = [Sample(at * SECOND, 5.0) for at in range(100)]
    kept = list(apply(Deadband(1.0, 10 * SECOND), samples))
    assert [one.time_us // SECOND for one in kept] == [*range(0, 100, 10), 99]


def test_line_is_ended_after_its_longest_length() -> None:
    samples = [Sample(at * SECOND, float(at)) for at in range(100)]
    assert len(list(apply(SwingingDoor(0.1), samples))) == 2
    assert len(list(apply(SwingingDoor(0.1, 10 * SECOND), samples))) == 11
    runs = list(apply(Midrange(1_000, 10 * SECOND), samples))
    assert [one.time_us // SECOND for one in runs] == list(range(0, 100, 10))


@pytest.mark.parametrize("create", [lambda: Deadband(0), lambda: SwingingDoor(float("nan"))])
def test_filter_without_a_positive_bound_is_refused(create: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="positive"):
        create()
    with pytest.raises(ValueError, match="positive"):
        RateLimit(0)
