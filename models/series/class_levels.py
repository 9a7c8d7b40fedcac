"""Classes in an order, such as levels of wear: one level, a weighted sum of the statistics.

Told by one level, classes between others need no boundaries of their own, and a level generalizes
to combinations of conditions that training lacks. It is a ridge regression with a second penalty,
on the variance of each column's contribution: without it, columns that resemble each other get
weights of opposite sign, which fail on new conditions. The class with the nearest mean level is
predicted.
"""

import re
from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve

from models.series.class_models import ABSENT_SCORE, SMALLEST_SPREAD, LinearModel
from models.series.series import Indices
from models.series.window_features import Features

MIN_CLASSES = 3
# More statistics would take minutes to solve for.
MAX_FEATURES = 3_000
# For directions without variance in training.
_RIDGE = 1e-6
_SMALLEST = 1e-12
_NUMBER = re.compile(r"^(\D*?)(-?\d+(?:\.\d+)?)(\D*)$")


def find_order(classes: Sequence[str]) -> Indices | None:
    """Return the rank of each class by the number in its name, None if names tell no order.

    Names must be alike but for one number: `90 bar`, `100 bar`, `115 bar`.
    """
    found = [_NUMBER.match(name) for name in classes]
    parts = [(one[1].strip(), float(one[2]), one[3].strip()) for one in found if one is not None]
    numbers = [number for _, number, _ in parts]
    alike = len({(before, after) for before, _, after in parts}) == 1
    if len(parts) < max(MIN_CLASSES, len(classes)) or not alike or len(set(numbers)) < len(numbers):
        return None
    return np.argsort(np.argsort(numbers))


def fit_levels(
    features: Features, classes: Indices, ranks: Indices, owners: Sequence[int], penalty: float
) -> LinearModel:
    """Fit the level of each class's rank.

    features: [windows, features]. classes: [windows]. ranks: [classes]. owners: the column of each
    feature. penalty: on the variance of the columns' contributions.
    """
    centre = features.mean(axis=0)
    spread = np.maximum(features.std(axis=0), SMALLEST_SPREAD)
    scaled = ((features - centre) / spread).astype(np.float64)
    target = ranks[classes].astype(np.float64)
    column = np.array(owners)
    gram = scaled.T @ scaled / len(scaled)
    within = np.where(column[:, np.newaxis] == column, gram, 0.0)
    ridge = _RIDGE * np.eye(len(gram))
    slopes = scaled.T @ (target - target.mean()) / len(scaled)
    weights = solve(gram + penalty * within + ridge, slopes, assume_a="pos")
    levels = scaled @ weights
    counts = np.bincount(classes, minlength=len(ranks))
    means = np.bincount(classes, levels, len(ranks)) / np.maximum(counts, 1)
    variance = max(float(np.mean((levels - means[classes]) ** 2)), _SMALLEST)
    # Linear in the level: half of the negative squared distance, but for what classes share.
    base = np.where(counts > 0, -0.5 * means**2 / variance, ABSENT_SCORE)
    return LinearModel(
        np.outer(means / variance, weights / spread).astype(np.float32),
        centre.astype(np.float32),
        base.astype(np.float32),
    )
