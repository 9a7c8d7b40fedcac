"""Weights of methods, intervals and scores on made-up forecasts."""

import numpy as np
import pytest

from models.forecasting.blending import blend
from models.forecasting.intervals import LEVELS, calibrate_intervals
from models.forecasting.scores import compare
from models.forecasting.weights import band_edges, fit_weights

FUTURE = np.random.default_rng(1).normal(0, 1, (200, 12))


def forecasts(*spreads: float) -> list[np.ndarray]:
    """Forecasts with independent errors."""
    generator = np.random.default_rng(2)
    return [FUTURE + generator.normal(0, spread, FUTURE.shape) for spread in spreads]


class TestWeights:
    def test_bands_cover_the_horizon(self) -> None:
        assert band_edges(1) == (0, 1)
        assert band_edges(12)[0] == 0
        assert band_edges(96)[-1] == 96
        assert np.all(np.diff(band_edges(96)) > 0)

    def test_useless_method_gets_no_weight(self) -> None:
        edges = band_edges(12)
        weights = fit_weights(forecasts(0.5, 20.0), FUTURE, np.ones(200), edges)
        assert weights[:, 0] == pytest.approx(1.0)

    def test_average_is_better_than_each_method(self) -> None:
        edges, methods = band_edges(12), forecasts(1.0, 1.0)
        weights = fit_weights(methods, FUTURE, np.ones(200), edges)
        assert weights.sum(axis=1) == pytest.approx(1.0)
        averaged = np.abs(blend(methods, weights, edges) - FUTURE).mean()
        assert averaged < 0.8 * min(np.abs(one - FUTURE).mean() for one in methods)

    def test_exact_repetitions_do_not_outweigh_all_other_rows(self) -> None:
        exact, noisy = FUTURE.copy(), forecasts(0.3)[0]
        exact[20:] += 3.0
        weights = fit_weights([exact, noisy], FUTURE, np.ones(200), (0, 12))
        assert weights[0, 1] > 0.9


class TestIntervals:
    def test_levels_are_covered_and_ordered(self) -> None:
        errors = np.abs(np.random.default_rng(3).normal(0, 1, (2_000, 4))) * [1, 1, 2, 2]
        table = calibrate_intervals(errors[:1_000])
        for level in (0.5, 0.9):
            width = table.half_width(np.full(1_000, level), np.ones(1_000), 4)
            assert np.mean(errors[1_000:] <= width) == pytest.approx(level, abs=0.03)
        widths = np.array(table.half_widths)
        assert widths.shape == (4, len(LEVELS))
        assert np.all(np.diff(widths, axis=1) >= 0)
        assert np.all(widths[2] > 1.5 * widths[0])

    def test_restless_history_has_wider_intervals(self) -> None:
        table = calibrate_intervals(np.abs(np.random.default_rng(4).normal(0, 1, (300, 2))))
        calm, restless = table.half_width(np.full(2, 0.9), np.array([1.0, 3.0]), 2)
        assert restless == pytest.approx(3 * calm)


class TestScores:
    def test_clear_difference_is_better_and_none_is_unclear(self) -> None:
        generator = np.random.default_rng(5)
        naive = np.abs(generator.normal(0, 1, (200, 6)))
        blocks = np.arange(200) // 10
        assert compare(0.7 * naive, naive, blocks).is_better
        assert compare(1.3 * naive, naive, blocks).is_worse
        other = compare(np.abs(generator.normal(0, 1, (200, 6))), naive, blocks)
        assert not other.is_better
        assert not other.is_worse
        assert other.model.low < other.model.value < other.model.high
