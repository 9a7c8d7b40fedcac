"""Calibration: scores become probabilities that hold, and figures that show whether they do.

Owns fitting a slope and a shift for each class, and the figures.

One slope for all classes (Platt 1999 with two classes; temperature scaling with a shift for each
class with more) keeps an answer a sum: contributions to a score, times the slope, are contributions
to the calibrated one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Exact = NDArray[np.float64]
Classes = NDArray[np.intp]

_BINS = 10
_SMALLEST = 1e-9


class CalibrationFailed(RuntimeError):
    """Higher scores did not mean likelier: the scores say nothing."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibrated log-odds are slope × score + shift; `shifts` [classes], the first is 0."""

    slope: float
    shifts: Exact

    def probabilities(self, scores: Exact) -> Exact:
        """[rows, classes], each row's sum 1, from scores of that shape."""
        return _softmax(self.slope * scores + self.shifts)


def calibrate(scores: Exact, truth: Classes, shifted: bool = True) -> Calibration:
    """From scores [rows, classes] that a model gave to rows it has not seen, and the true class of
    each row [rows]; every class occurs. Not `shifted`, only the slope is fitted, and the likeliest
    class stays that of the greatest score. Raises CalibrationFailed."""
    classes = scores.shape[1]
    start = np.array([1.0] + [0.0] * (classes - 1 if shifted else 0))
    found = minimize(_loss, start, (scores, _targets(classes, truth)), jac=True)
    slope, shifts = float(found.x[0]), np.zeros(classes)
    shifts[1 : len(start)] = found.x[1:]
    if not slope > 0:
        raise CalibrationFailed(f"The slope is {slope:.3g}.")
    return Calibration(slope, shifts)


def reliability(probabilities: Exact, truth: Classes) -> Mapping[str, float]:
    """How far probabilities [rows, classes] hold, as means over the rows.

    brier: squared error, summed over the classes and halved, so that two classes count once.
    log_loss: in nats. ece: expected calibration error of each class against the rest, in ten bins
    of equal width, as a mean over the classes.
    """
    hits = np.eye(probabilities.shape[1])[truth]
    told = np.maximum(probabilities[np.arange(len(truth)), truth], _SMALLEST)
    errors = [_ece(probabilities[:, one], hits[:, one]) for one in range(hits.shape[1])]
    return {
        "brier": float(np.mean(np.sum((probabilities - hits) ** 2, axis=1)) / 2),
        "log_loss": float(-np.mean(np.log(told))),
        "ece": float(np.mean(errors)),
    }


def two_classes(positive: Exact) -> Exact:
    """The probability of the second class [rows] as both, [rows, 2]."""
    return np.stack([1 - positive, positive], axis=1)


def _ece(probability: Exact, hit: Exact) -> float:
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, weights=probability - hit, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(hit))


def _targets(classes: int, truth: Classes) -> Exact:
    """What the probabilities are fitted to, [rows, classes]: of n rows of a class one more might
    have been of each class (Platt). Scores that part the classes would otherwise be told as sure
    without any bound."""
    count = np.bincount(truth, minlength=classes)[truth][:, np.newaxis]
    return np.asarray((np.eye(classes)[truth] * count + 1) / (count + classes))


def _loss(parameters: Exact, scores: Exact, targets: Exact) -> tuple[float, Exact]:
    """Mean cross-entropy, and its derivative by the slope and, where they are fitted, all shifts
    but the first."""
    shifts = np.concatenate([[0.0], parameters[1:]])
    probability = _softmax(parameters[0] * scores + shifts)
    loss = -np.mean(np.sum(targets * np.log(np.maximum(probability, _SMALLEST)), axis=1))
    apart = probability - targets
    by_slope = np.mean(np.sum(apart * scores, axis=1))
    return float(loss), np.concatenate([[by_slope], apart.mean(axis=0)[1 : len(parameters)]])


def _softmax(logits: Exact) -> Exact:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
