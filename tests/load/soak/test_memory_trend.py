"""Memory trends: robust slopes, and series too short to be judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.soak.memory_trend import MIN_DURATION_S, MemorySeries, slope

floats = st.floats(-1e3, 1e3, allow_nan=False)


def series(values: list[float], step_s: float) -> MemorySeries:
    made = MemorySeries("gateway")
    for number, mib in enumerate(values):
        made.add(number * step_s, mib)
    return made


class TestMemorySlope:
    @given(floats, floats, st.integers(2, 400))
    def test_slope_of_a_line_is_exact(self, start: float, rise: float, count: int) -> None:
        times = [float(n) for n in range(count)]
        found = slope(times, [start + rise * t for t in times], 3600)
        assert found == pytest.approx(3600 * rise, abs=1e-6, rel=1e-6)

    @given(st.lists(st.integers(0, 29), max_size=8, unique=True))
    def test_slope_is_robust_against_outliers(self, outliers: list[int]) -> None:
        values = [1000.0 if n in outliers else 100 + 0.1 * n for n in range(30)]
        found = slope([float(n) for n in range(30)], values, 1)
        assert found is not None
        assert abs(found) < 40

    def test_slope_without_duration_is_none(self) -> None:
        assert slope([], [], 1) is None
        assert slope([1.0, 1.0], [1.0, 2.0], 1) is None


class TestMemorySeries:
    def test_first_third_of_a_series_is_ignored(self) -> None:
        values = [float(n) for n in range(20)] + [20.0] * 41
        assert series(values, 60).slope_mib_h == 0

    def test_constant_memory_is_flat_and_growing_memory_is_not(self) -> None:
        assert series([200.0] * 61, 60).is_flat
        assert not series([200.0 + n for n in range(61)], 60).is_flat  # 60 MiB per hour

    def test_series_below_the_minimum_duration_is_not_judged(self) -> None:
        growing = [200.0 + n for n in range(20)]
        assert series(growing, MIN_DURATION_S / 20).is_flat is None
        assert series([], 1).is_flat is None
