"""Calibration: fitting, rejection of inverted scores, and reliability metrics."""

import numpy as np
import pytest

from models.calibration import (
    Calibration,
    CalibrationFailed,
    calibration_metrics,
    fit_calibration,
    two_class_probabilities,
)


def drawn(calibration: Calibration, scores: np.ndarray, seed: int) -> np.ndarray:
    """Draw a class for each row with the calibrated probabilities."""
    generator = np.random.default_rng(seed)
    reached = np.cumsum(calibration.probabilities(scores), axis=1)
    return (generator.uniform(size=(len(scores), 1)) > reached).sum(axis=1)


@pytest.mark.parametrize(
    "true",
    [
        Calibration(0.5, np.array([0.0, -1.0])),
        Calibration(2.0, np.array([0.0, 0.5, -0.5, 1.0])),
    ],
)
def test_calibration_recovers_true_parameters(true: Calibration) -> None:
    scores = np.random.default_rng(1).normal(size=(40_000, len(true.shifts))) * 2
    found = fit_calibration(scores, drawn(true, scores, seed=2))
    assert found.slope == pytest.approx(true.slope, rel=0.05)
    assert found.shifts == pytest.approx(true.shifts, abs=0.06)


def test_calibration_corrects_overconfident_model() -> None:
    true = Calibration(0.4, np.array([0.0, -2.0]))
    generator = np.random.default_rng(3)
    scores = np.stack([np.zeros(20_000), generator.normal(size=20_000) * 4], axis=1)
    truth = drawn(true, scores, seed=4)
    bare = calibration_metrics(Calibration(1.0, np.zeros(2)).probabilities(scores), truth)
    found = fit_calibration(scores[:10_000], truth[:10_000])
    held = calibration_metrics(found.probabilities(scores[10_000:]), truth[10_000:])
    assert held["ece"] < 0.02 < bare["ece"]
    assert held["log_loss"] < bare["log_loss"]


def test_calibrated_probabilities_keep_order_and_sum_to_1() -> None:
    scores = np.array([[0, -800.0], [0, 0], [0, 3], [0, 900.0]])
    told = Calibration(0.7, np.array([0.0, 0.3])).probabilities(scores)
    assert np.all(np.diff(told[:, 1]) > 0)
    assert told.sum(axis=1) == pytest.approx([1.0] * 4)


def test_calibration_of_separable_classes_is_not_certain() -> None:
    """100 rows per class without errors still allow an error rate of about 1 in 100."""
    truth = np.repeat([0, 1], 100)
    scores = np.stack([np.zeros(200), np.where(truth == 1, 5.0, -5.0)], axis=1)
    told = fit_calibration(scores, truth).probabilities(scores)[np.arange(200), truth]
    assert told == pytest.approx([101 / 102] * 200, abs=1e-3)


def test_calibration_rejects_inverted_scores() -> None:
    positive = np.linspace(-3, 3, 200)
    scores = np.stack([np.zeros(200), positive], axis=1)
    with pytest.raises(CalibrationFailed):
        fit_calibration(scores, (positive < np.sin(np.arange(200))).astype(np.intp))


def test_calibration_metrics_match_manual_computation() -> None:
    told = two_class_probabilities(np.array([0.9, 0.9, 0.1, 0.1]))
    figures = calibration_metrics(told, np.array([1, 0, 0, 0]))
    assert figures["brier"] == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert figures["log_loss"] == pytest.approx(-(3 * np.log(0.9) + np.log(0.1)) / 4)
    # Two rows at 0.9, one correct: off by 0.4; two rows at 0.1, none correct: off by 0.1.
    assert figures["ece"] == pytest.approx((0.4 + 0.1) / 2)


def test_log_loss_of_certain_wrong_prediction_is_finite() -> None:
    assert np.isfinite(
        calibration_metrics(two_class_probabilities(np.array([0.0])), np.array([1]))["log_loss"]
    )
