"""GLS estimator: its mixture and its parts compared with plain formulas."""

from dataclasses import replace

import numpy as np
import pytest

from billing.outcomes.measurement.gls_estimator import (
    NOISE_GRID,
    PredictionWindow,
    StudentTMixture,
    estimate_effect,
    restricted_log_likelihood,
)
from billing.outcomes.measurement.noise import DayArray, FloatArray, NoiseModels


def mixture(
    weights: list[list[float]], centres: list[float], scales: list[float]
) -> StudentTMixture:
    return StudentTMixture(np.array(weights), np.array(centres), np.array(scales), 10, 0.3)


class TestStudentTMixture:
    def test_mixture_of_one_component_is_student_t(self) -> None:
        one = mixture([[1.0]], [2.0], [3.0])
        assert (one.mean, one.standard_error) == (2.0, 3.0)
        # The table of Student's t: 1.812461 for 95 % and 10 degrees of freedom.
        assert one.quantile(0.05) == pytest.approx(2 - 3 * 1.812461, abs=1e-5)
        assert one.quantile(0.5) == pytest.approx(2.0)

    def test_mixture_of_two_components_has_their_combined_error(self) -> None:
        two = mixture([[0.5, 0.5]], [-4.0, 4.0], [3.0, 3.0])
        assert two.mean == 0.0
        assert two.standard_error == pytest.approx(5.0)  # sqrt(3^2 + 4^2)
        assert two.quantile(0.5) == pytest.approx(0.0, abs=1e-9)

    def test_most_conservative_weighting_determines_error_and_quantiles(self) -> None:
        both = mixture([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [1.0, 3.0])
        assert both.standard_error == 3.0
        assert both.quantile(0.05) == pytest.approx(-3 * 1.812461, abs=1e-5)
        assert both.quantile(0.95) == pytest.approx(3 * 1.812461, abs=1e-5)


class TestEffectEstimate:
    @pytest.mark.parametrize("after", [True, False])
    def test_estimate_per_noise_model_is_best_linear_unbiased_prediction(self, after: bool) -> None:
        random = np.random.default_rng(4)
        known = random.random(90) < 0.8
        days = np.flatnonzero(known)
        other = PredictionWindow(
            np.arange(93, 110) if after else np.flatnonzero(~known), np.array([])
        )
        other = replace(other, weights=random.random(len(other.days)))
        columns = np.column_stack([np.ones(len(days)), random.standard_normal(len(days))])
        values, sought, at = 5 + random.standard_normal(len(days)), np.array([20.0, 3.0]), 77
        found = estimate_effect(values, columns, days, sought, other)
        both = np.concatenate([days, other.days])
        share, rho = NOISE_GRID.share[at], NOISE_GRID.rho[at]
        whole = share * rho ** np.abs(both[:, None] - both).astype(float)
        whole += (1 - share) * np.eye(len(both))
        # Textbook system with a Lagrange multiplier for each column.
        n = len(days)
        system = np.block([[whole[:n, :n], columns], [columns.T, np.zeros((2, 2))]])
        right = np.concatenate([whole[:n, n:] @ other.weights, sought])
        levers = np.linalg.solve(system, right)[:n]
        solved = np.linalg.solve(whole[:n, :n], columns)
        left = values - columns @ np.linalg.solve(columns.T @ solved, solved.T @ values)
        variance = left @ np.linalg.solve(whole[:n, :n], left) / (n - 2)
        weights = np.concatenate([levers, -other.weights])
        assert found.centres[at] == pytest.approx(levers @ values)
        assert found.scales[at] ** 2 == pytest.approx(variance * (weights @ whole @ weights))
        assert found.degrees_of_freedom == n - 2

    @pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
    def test_estimate_recovers_the_autocorrelation(self, rho: float) -> None:
        random = np.random.default_rng(5)
        values = random.standard_normal(2000)
        for at in range(1, 2000):
            values[at] = rho * values[at - 1] + np.sqrt(1 - rho**2) * values[at]
        found = estimate_effect(values, np.ones((2000, 1)), np.arange(2000), np.ones(1))
        assert found.rho == pytest.approx(rho, abs=0.06)

    def test_higher_variance_of_later_days_raises_the_standard_error(self) -> None:
        values = np.random.default_rng(6).standard_normal(60)
        known = (values, np.ones((60, 1)), np.arange(60), np.array([10.0]))
        later = np.arange(60, 70), np.ones(10)
        calm, rough = (
            estimate_effect(*known, PredictionWindow(*later)),
            estimate_effect(*known, PredictionWindow(*later, variance_ratio=4.0)),
        )
        assert rough.mean == calm.mean
        assert 1.5 < rough.standard_error / calm.standard_error < 2.3

    def test_noise_grid_has_valid_shares_and_correlations(self) -> None:
        assert isinstance(NOISE_GRID, NoiseModels)
        assert NOISE_GRID.share.min() > 0
        assert NOISE_GRID.share.max() == 1
        assert 0 < NOISE_GRID.rho.min() < NOISE_GRID.rho.max() < 1


class TestRestrictedLikelihood:
    def test_log_likelihood_matches_the_restricted_formula(self) -> None:
        random = np.random.default_rng(8)
        days = np.flatnonzero(random.random(60) < 0.7)
        columns = np.column_stack([np.ones(len(days)), random.standard_normal(len(days))])
        values = 3 + random.standard_normal(len(days))
        found = restricted_log_likelihood(values, columns, days)
        by_hand = [restricted(values, columns, days, at) for at in (3, 77, 150)]
        # The number of values and the columns' determinant are the same for every noise model.
        assert found[[77, 150]] - found[3] == pytest.approx(np.array(by_hand[1:]) - by_hand[0])

    def test_extra_likelihood_adds_two_weightings_and_widens_the_interval(self) -> None:
        values = np.random.default_rng(9).standard_normal(80)
        known = (values, np.ones((80, 1)), np.arange(80), np.array([10.0]))
        lasting = np.where(NOISE_GRID.rho > 0.9, 0.0, -1e3)
        alone, both = (
            estimate_effect(*known),
            estimate_effect(*known, extra_log_likelihoods=[lasting]),
        )
        assert (both.weights[:2] == alone.weights).all()
        assert both.weights.shape == (4, len(NOISE_GRID.rho))
        assert both.mean == alone.mean
        assert both.quantile(0.05) < alone.quantile(0.05) < alone.quantile(0.95)
        assert both.quantile(0.95) > alone.quantile(0.95)

    def test_likelihood_of_the_same_days_gives_the_same_weights(self) -> None:
        values = np.random.default_rng(9).standard_normal(80)
        known = (values, np.ones((80, 1)), np.arange(80))
        again = estimate_effect(
            *known, np.array([10.0]), extra_log_likelihoods=[restricted_log_likelihood(*known)]
        )
        assert again.weights[2:] == pytest.approx(again.weights[:2])


def restricted(values: FloatArray, columns: FloatArray, days: DayArray, at: int) -> float:
    """Restricted log-likelihood from the full covariance matrix."""
    whole = NOISE_GRID.share[at] * NOISE_GRID.rho[at] ** np.abs(days[:, None] - days).astype(float)
    whole += (1 - NOISE_GRID.share[at]) * np.eye(len(days))
    solved = np.linalg.solve(whole, columns)
    inner = columns.T @ solved
    left = values - columns @ np.linalg.solve(inner, solved.T @ values)
    squares = float(left @ np.linalg.solve(whole, left))
    free = len(days) - columns.shape[1]
    volumes = np.linalg.slogdet(whole)[1] + np.linalg.slogdet(inner)[1]
    return float(-(free * np.log(squares) + volumes) / 2)
