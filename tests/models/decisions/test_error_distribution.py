"""Probabilities of values beyond a limit, from errors on held-out rows."""

import numpy as np
import pytest

from models.decisions.error_distribution import ErrorDistribution, fit_errors


def normal_errors(rows: int = 4_000, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and truths with errors of deviation 2."""
    generator = np.random.default_rng(seed)
    predicted = generator.uniform(0, 100, rows)
    return predicted, predicted + generator.normal(0, 2, rows)


def distribution(rows: int = 4_000) -> ErrorDistribution:
    predicted, truth = normal_errors(rows)
    return fit_errors(predicted, truth, np.ones(rows), rows)


def test_probability_is_calibrated_on_new_rows() -> None:
    predicted, truth = normal_errors(seed=4)
    below = distribution().below(predicted, 50)
    for low in (0.1, 0.3, 0.5, 0.7):
        rows = (below >= low) & (below < low + 0.2)
        assert np.mean(truth[rows] < 50) == pytest.approx(below[rows].mean(), abs=0.12)


def test_probability_falls_as_the_prediction_rises_within_a_bin() -> None:
    found = distribution(60).below(np.linspace(40, 60, 50), 50)
    assert np.all((found > 0) & (found < 1))
    assert np.all(np.diff(found) < 0)


def test_limit_far_beyond_the_errors_is_unlikelier_than_one_just_beyond() -> None:
    # Of five machines, each end holds 1 / 12.
    found = ErrorDistribution((), (tuple(np.linspace(-10, 10, 41)),), (5.0,), 1 / 12)
    near, far = found.below(np.array([61.0, 100.0]), 50)
    assert near == pytest.approx(1 / 12 * np.exp(-0.2))
    assert far < 1e-3
    assert found.below(np.array([0.0]), 50)[0] > 1 - 1e-3


def test_machine_with_many_rows_counts_as_one() -> None:
    predicted = np.zeros(101)
    truth = np.array([5.0, *([-5.0] * 100)])
    weights = np.array([1.0, *([0.01] * 100)])
    found = fit_errors(predicted, truth, weights, 2)
    assert found.below(np.array([0.0]), 0.0)[0] == pytest.approx(0.5, abs=0.1)


def test_perfect_predictions_have_a_finite_distribution() -> None:
    exact = np.linspace(0, 49, 50)
    found = fit_errors(exact, exact, np.ones(50), 50)
    assert np.all(np.isfinite(found.below(exact, 25.0)))
    assert found.below(np.array([30.0]), 25.0)[0] < 0.01 < found.below(np.array([20.0]), 25.0)[0]


def test_probability_of_rows_with_wider_errors_is_calibrated_by_their_widening() -> None:
    generator = np.random.default_rng(5)
    predicted = generator.uniform(45, 55, 4_000)
    truth = predicted + 3 * generator.normal(0, 2, len(predicted))
    widened = distribution().below(predicted, 50, np.full(len(predicted), 3.0))
    plain = distribution().below(predicted, 50)
    rows = (plain > 0.85) & (plain < 0.95)
    happened = np.mean(truth[rows] < 50)
    assert happened == pytest.approx(widened[rows].mean(), abs=0.05)
    assert happened < plain[rows].mean() - 0.15
