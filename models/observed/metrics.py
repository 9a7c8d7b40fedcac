"""Scores of predictions. Without scikit-learn, because the gateway computes them too."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

Metric = Callable[[Floats, Floats], float]
"""Returns the score of predictions, given truth and predictions, [rows] each."""


def macro_f1(truth: Floats, predicted: Floats) -> float:
    """Return the F1 score averaged over the classes that occur.

    Classes are whole numbers from 0. A class that is only in one of truth and predictions has 0.
    """
    of_truth, of_prediction = truth.astype(np.intp), predicted.astype(np.intp)
    size = int(max(of_truth.max(), of_prediction.max())) + 1
    right = np.bincount(of_truth[of_truth == of_prediction], minlength=size)
    # True and false positives, and true and false negatives: twice the denominator of F1.
    total = np.bincount(of_truth, minlength=size) + np.bincount(of_prediction, minlength=size)
    occurs = total > 0
    return float(np.mean(2 * right[occurs] / total[occurs]))


def rmse(truth: Floats, predicted: Floats) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))
