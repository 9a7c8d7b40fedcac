"""Autocorrelated noise: checked manually for two or three days and against the full covariance."""

import numpy as np
import pytest

from billing.outcomes.measurement.noise import DayArray, FloatArray, NoiseModels, ar1_innovations

DAYS = np.array([3, 4, 5, 9, 10, 30])


def noise(share: float, rho: float) -> NoiseModels:
    return NoiseModels(np.array([share]), np.array([rho]))


def covariance(share: float, rho: float, days: DayArray) -> FloatArray:
    whole: FloatArray = share * rho ** np.abs(days[:, None] - days).astype(float)
    whole[np.arange(len(days)), np.arange(len(days))] = 1.0
    return whole


class TestWhitening:
    def test_whitened_values_match_manual_computation(self) -> None:
        # Correlation 1/2 after one day, 1/4 after two:
        # 1; (1 - 1/2) / sqrt(1 - 1/4); (1 - 1/4) / sqrt(1 - 1/16).
        days = np.array([0, 1, 3])
        news, volume = noise(1.0, 0.5).whiten(np.ones((1, 3, 1)), days)
        by_hand = [1, 0.5 / 0.75**0.5, 0.75 / 0.9375**0.5]
        assert news[0, :, 0] == pytest.approx(by_hand)
        assert ar1_innovations(np.ones((3, 1)), days, 0.5)[:, 0] == pytest.approx(by_hand)
        assert volume[0] == pytest.approx(np.log(0.75 * 0.9375))

    def test_independent_noise_is_unchanged(self) -> None:
        values = np.array([[[1.0], [4.0], [-2.0]]])
        news, volume = noise(0.0, 0.5).whiten(values, np.array([0, 1, 2]))
        assert news == pytest.approx(values)
        assert volume[0] == pytest.approx(0.0)

    @pytest.mark.parametrize(("share", "rho"), [(1.0, 0.7), (0.3, 0.9), (0.6, 0.2)])
    def test_whitened_products_match_the_inverse_covariance(self, share: float, rho: float) -> None:
        whole = covariance(share, rho, DAYS)
        values = np.random.default_rng(1).standard_normal((len(DAYS), 2))
        news, volume = noise(share, rho).whiten(values[None], DAYS)
        assert news[0].T @ news[0] == pytest.approx(values.T @ np.linalg.solve(whole, values))
        assert volume[0] == pytest.approx(np.linalg.slogdet(whole)[1])


class TestSumVariance:
    def test_sum_variance_and_cross_covariance_match_manual_computation(self) -> None:
        # Correlation 1/2: two days vary by 1 + 1 + 2 / 2; with half the share, 1 + 1 + 1/2.
        ones, days = np.ones(2), np.array([0, 1])
        assert noise(1.0, 0.5).weighted_sum_variance(days, ones) == pytest.approx([3.0])
        assert noise(0.5, 0.5).weighted_sum_variance(days, ones) == pytest.approx([2.5])
        # Covariance of day 0 with days 2 and 3: 1/4 + 1/8; of day 1: 1/2 + 1/4.
        reach = noise(1.0, 0.5).cross_covariance(days, ones, days + 2)
        assert reach[0] == pytest.approx([0.375, 0.75])

    @pytest.mark.parametrize(("share", "rho"), [(1.0, 0.7), (0.3, 0.9)])
    def test_sum_variance_and_cross_covariance_match_the_full_matrix(
        self, share: float, rho: float
    ) -> None:
        whole = covariance(share, rho, DAYS)
        weights = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.0])
        varies = noise(share, rho).weighted_sum_variance(DAYS, weights)
        assert varies == pytest.approx([weights @ whole @ weights])
        for here in ([0, 1], [1, 2, 4], [5]):
            there = [at for at in range(6) if at not in here]
            reach = noise(share, rho).cross_covariance(DAYS[here], weights[there], DAYS[there])
            assert reach[0] == pytest.approx(whole[np.ix_(here, there)] @ weights[there])
