"""Calibrate a classifier's scores to probabilities, and measure how well calibrated they are.

One slope for all classes (Platt scaling for two classes; temperature scaling with a shift per class
for more) keeps the answer additive: contributions to a score, times the slope, are contributions to
the calibrated log-odds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]
ClassIndices = NDArray[np.intp]

_BINS = 10
_MIN_PROBABILITY = 1e-9


class CalibrationFailed(RuntimeError):
    """Higher scores do not mean higher probability: the scores carry no information."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted calibration: log-odds are slope × score + shift per class.

    `shifts` is [classes]; the first one is 0.
    """

    slope: float
    shifts: FloatArray

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """Return calibrated probabilities [rows, classes] from scores of the same shape."""
        return _softmax(self.slope * scores + self.shifts)


def fit_calibration(
    scores: FloatArray, truth: ClassIndices, fit_shifts: bool = True
) -> Calibration:
    """Fit slope and, if `fit_shifts`, class shifts to held-out scores [rows, classes] and truth.

    Every class must occur. Without `fit_shifts` only the slope is fitted, which keeps the most
    likely class. Raises CalibrationFailed.
    """
    classes = scores.shape[1]
    start = np.array([1.0] + [0.0] * (classes - 1 if fit_shifts else 0))
    result = minimize(_loss, start, (scores, _smoothed_targets(classes, truth)), jac=True)
    slope, shifts = float(result.x[0]), np.zeros(classes)
    shifts[1 : len(start)] = result.x[1:]
    if not slope > 0:
        raise CalibrationFailed(f"The calibration slope is {slope:.3g}; it must be greater than 0.")
    return Calibration(slope, shifts)


def calibration_metrics(probabilities: FloatArray, truth: ClassIndices) -> Mapping[str, float]:
    """Return the Brier score, log loss and expected calibration error of probabilities.

    brier: squared error, summed over classes and halved. log_loss: in nats. ece: per class against
    the rest, in ten bins of equal width, averaged over the classes.
    """
    hits = np.eye(probabilities.shape[1])[truth]
    true_class_probability = np.maximum(
        probabilities[np.arange(len(truth)), truth], _MIN_PROBABILITY
    )
    errors = [
        expected_calibration_error(probabilities[:, class_index], hits[:, class_index])
        for class_index in range(hits.shape[1])
    ]
    return {
        "brier": float(np.mean(np.sum((probabilities - hits) ** 2, axis=1)) / 2),
        "log_loss": float(-np.mean(np.log(true_class_probability))),
        "ece": float(np.mean(errors)),
    }


def two_class_probabilities(positive: FloatArray) -> FloatArray:
    """Return [rows, 2] from the probability of the second class [rows]."""
    return np.stack([1 - positive, positive], axis=1)


def expected_calibration_error(probability: FloatArray, is_class: FloatArray) -> float:
    """Return the expected calibration error of one class, in ten bins of equal width.

    probability: what was predicted, [rows], from 0 to 1. is_class: what was true, [rows], 0 or 1.
    """
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, weights=probability - is_class, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(is_class))


def _smoothed_targets(classes: int, truth: ClassIndices) -> FloatArray:
    """Return Platt's smoothed target probabilities, [rows, classes].

    Without smoothing, perfectly separated classes would get an unbounded slope.
    """
    count = np.bincount(truth, minlength=classes)[truth][:, np.newaxis]
    return np.asarray((np.eye(classes)[truth] * count + 1) / (count + classes))


def _loss(
    parameters: FloatArray, scores: FloatArray, targets: FloatArray
) -> tuple[float, FloatArray]:
    """Return the mean cross-entropy and its gradient by slope and fitted shifts."""
    shifts = np.concatenate([[0.0], parameters[1:]])
    probability = _softmax(parameters[0] * scores + shifts)
    loss = -np.mean(np.sum(targets * np.log(np.maximum(probability, _MIN_PROBABILITY)), axis=1))
    residual = probability - targets
    slope_gradient = np.mean(np.sum(residual * scores, axis=1))
    return float(loss), np.concatenate(
        [[slope_gradient], residual.mean(axis=0)[1 : len(parameters)]]
    )


def _softmax(logits: FloatArray) -> FloatArray:
    """Return the softmax over the classes of each row."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
