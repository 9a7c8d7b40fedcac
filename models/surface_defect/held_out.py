"""Cross-validate a head on its training pictures; calibrate temperature and outlier distances."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.surface_defect import discriminant
from models.surface_defect.backbone import Features
from models.surface_defect.discriminant import Classes, Discriminant, FloatArray
from models.surface_defect.similar_pictures import Groups

FOLDS = 5
# Quantile of the held-out departures that counts as a nonconformity score of 1.
_DEPARTURE_QUANTILE = 0.9
_MIN_TEMPERATURE, _MAX_TEMPERATURE = 1.0, 1e6
_BISECTION_STEPS = 60
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Departures:
    """Distances of pictures from the training pictures, [rows] each.

    to_class: distance to the nearest class centre, relative to that centre's distance from the
    mean. size: root mean square of the standardised features. `to_class` detects unknown classes,
    `size` detects pictures of no such surface, whose features the discriminant ignores.
    """

    to_class: FloatArray
    size: FloatArray

    @classmethod
    def from_features(cls, fitted: Discriminant, standardised: FloatArray) -> "Departures":
        """Compute the distances from standardised features [rows, features]."""
        centre_distances = np.maximum(np.linalg.norm(fitted.centres, axis=1), _TINY)
        to_class = (fitted.class_distances(standardised) / centre_distances).min(axis=1)
        return cls(to_class, np.sqrt(np.mean(standardised**2, axis=1)))


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """Out-of-fold results: distances [pictures, classes], departures and truth [pictures]."""

    distances: FloatArray
    departures: Departures
    truth: Classes

    @property
    def predicted(self) -> Classes:
        """Return the predicted class of each picture, [pictures]."""
        return np.asarray(self.distances.argmin(axis=1))

    @property
    def accuracy(self) -> float:
        """Return the balanced accuracy: the mean recall of the classes."""
        right = self.predicted == self.truth
        return float(
            np.mean([right[self.truth == label].mean() for label in np.unique(self.truth)])
        )

    @property
    def expected_accuracy(self) -> float:
        """Return the accuracy to expect of the next picture (Laplace): n of n gives less than 1."""
        count = len(self.truth)
        return (self.accuracy * count + 1) / (count + 2)

    @property
    def accuracy_error(self) -> float:
        """Return the standard error of the accuracy."""
        expected = self.expected_accuracy
        return float(np.sqrt(expected * (1 - expected) / len(self.truth)))

    def fit_temperature(self) -> float:
        """Fit the softmax temperature that calibrates probabilities on held-out pictures.

        The mean confidence is fitted to the expected accuracy, by bisection. With n pictures, all
        right, the next one is right with probability (n + 1) / (n + 2) (Laplace); a likelihood fit
        would become infinitely confident.
        """
        expected = self.expected_accuracy
        low, high = _MIN_TEMPERATURE, _MAX_TEMPERATURE
        for _ in range(_BISECTION_STEPS):
            middle = float(np.sqrt(low * high))
            if max_probability(self.distances, middle).mean() > expected:
                low = middle
            else:
                high = middle
        return high

    def departure_scales(self) -> tuple[float, float]:
        """Return the 90 % quantiles of the distance to a class and of the feature norm.

        `nonconformity_scores` divides both departures of a picture by them.
        """
        to_class = float(np.quantile(self.departures.to_class, _DEPARTURE_QUANTILE))
        size = float(np.quantile(self.departures.size, _DEPARTURE_QUANTILE))
        return to_class + _TINY, size + _TINY


def cross_validate(
    views: Features, truth: Classes, groups: Groups | None = None
) -> HeldOutPredictions:
    """Cross-validate discriminants and return the held-out results of every picture.

    views: features of each picture's views [pictures, views, features], the picture itself first.
    truth: class indices [pictures], two pictures or more of each class. groups: near copies.
    """
    folds = assign_folds(truth, groups)
    distances = np.empty((len(truth), truth.max() + 1))
    to_class, size = np.empty(len(truth)), np.empty(len(truth))
    for fold in range(folds.max() + 1):
        test = folds == fold
        fitted = fit_discriminant(views[~test], truth[~test])
        standardised = fitted.standardise(views[test, 0])
        distances[test] = fitted.class_distances(standardised)
        departures = Departures.from_features(fitted, standardised)
        to_class[test], size[test] = departures.to_class, departures.size
    return HeldOutPredictions(distances, Departures(to_class, size), truth)


def fit_discriminant(views: Features, truth: Classes) -> Discriminant:
    """Fit a discriminant on all views [pictures, views, features] with classes [pictures]."""
    _, count, width = views.shape
    return discriminant.fit(views.reshape(-1, width), np.repeat(truth, count))


def assign_folds(truth: Classes, groups: Groups | None = None) -> NDArray[np.intp]:
    """Assign each picture to a fold, [pictures], in contiguous stretches of each class.

    Consecutive pictures are alike; a random split would leak between folds. Near copies are in one
    fold, unless a class would then have no picture to learn from.
    """
    alone = np.arange(len(truth), dtype=np.intp)
    if groups is None:
        return _stretches(truth, alone)
    folds = _stretches(truth, groups)[groups]
    learnable = all(len(np.unique(folds[truth == label])) > 1 for label in np.unique(truth))
    return folds if learnable else _stretches(truth, alone)


def _stretches(truth: Classes, groups: Groups) -> NDArray[np.intp]:
    """Divide each class into stretches of its groups, in order; return their numbers, [pictures].

    A class with a single group is in the first stretch as a whole.
    """
    places = np.empty(len(truth), dtype=np.intp)
    sizes = np.empty(len(truth), dtype=np.intp)
    for label in np.unique(truth):
        rows = np.flatnonzero(truth == label)
        found, places[rows] = np.unique(groups[rows], return_inverse=True)
        sizes[rows] = len(found)
    return np.asarray(places * min(FOLDS, int(sizes.min())) // sizes)


def probabilities(distances: FloatArray, temperature: float) -> FloatArray:
    """Return softmax probabilities [rows, classes] of the distances, with equal priors."""
    logits = -(distances**2) / (2 * temperature)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def max_probability(distances: FloatArray, temperature: float) -> FloatArray:
    """Return the largest probability of each row, [rows]."""
    return np.asarray(probabilities(distances, temperature).max(axis=1))
