"""What a head says of pictures that it has not learned from, by leaving parts of them out in turn.

Owns the parts, the score, and what is calibrated on them: how sure a probability may be and how
strange a picture is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.surface_defect import discriminant
from models.surface_defect.backbone import Features
from models.surface_defect.discriminant import Classes, Discriminant, Exact

PARTS = 5
# Of held-out pictures, so many lie below what counts as far, for the classes and in size alike.
_FAR = 0.9
_COOLEST, _HOTTEST = 1.0, 1e6
_HALVINGS = 60
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Departures:
    """How far pictures lie from what is known. to_class: from the nearest class, as a share of
    that class's own way from the middle of all. size: of the standardised features. [rows] each.

    The first tells a class that was never shown, the second what is no such surface at all, whose
    features the discriminant does not look at.
    """

    to_class: Exact
    size: Exact

    @classmethod
    def of(cls, known: Discriminant, standardised: Exact) -> "Departures":
        ways = np.maximum(np.linalg.norm(known.centres, axis=1), _TINY)
        to_class = (known.distances(standardised) / ways).min(axis=1)
        return cls(to_class, np.sqrt(np.mean(standardised**2, axis=1)))


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Each picture judged by a discriminant of the others. distances [pictures, classes]; truth
    [pictures]."""

    distances: Exact
    departures: Departures
    truth: Classes

    @property
    def said(self) -> Classes:
        return np.asarray(self.distances.argmin(axis=1))

    @property
    def accuracy(self) -> float:
        """Balanced: the mean of the classes' shares that are right."""
        right = self.said == self.truth
        return float(np.mean([right[self.truth == one].mean() for one in np.unique(self.truth)]))

    def temperature(self) -> float:
        """What squared distances are divided by for probabilities that hold: where the mean
        certainty on held-out pictures is the accuracy to be expected of the next.

        With n pictures of which all are right the next is right with (n + 1) / (n + 2) (Laplace);
        the likelihood would ask for certainty without bounds.
        """
        count = len(self.truth)
        expected = (self.accuracy * count + 1) / (count + 2)
        least, most = _COOLEST, _HOTTEST
        for _ in range(_HALVINGS):
            middle = float(np.sqrt(least * most))
            if certainty(self.distances, middle).mean() > expected:
                least = middle
            else:
                most = middle
        return most

    def far(self) -> tuple[float, float]:
        """To a class and in size: beyond, a picture is farther out than most that were held out."""
        to_class = float(np.quantile(self.departures.to_class, _FAR))
        return to_class + _TINY, float(np.quantile(self.departures.size, _FAR)) + _TINY


def judge(views: Features, truth: Classes) -> HeldOut:
    """From features of each picture's views [pictures, views, features], the first of which is the
    picture itself, and each picture's class [pictures], of two pictures or more."""
    parts = divided(truth)
    distances = np.empty((len(truth), truth.max() + 1))
    to_class, size = np.empty(len(truth)), np.empty(len(truth))
    for part in range(parts.max() + 1):
        apart = parts == part
        known = learned(views[~apart], truth[~apart])
        standardised = known.standardised(views[apart, 0])
        distances[apart] = known.distances(standardised)
        departures = Departures.of(known, standardised)
        to_class[apart], size[apart] = departures.to_class, departures.size
    return HeldOut(distances, Departures(to_class, size), truth)


def learned(views: Features, truth: Classes) -> Discriminant:
    """From every view, [pictures, views, features], of pictures of the classes [pictures]."""
    _, count, width = views.shape
    return discriminant.fit(views.reshape(-1, width), np.repeat(truth, count))


def divided(truth: Classes) -> NDArray[np.intp]:
    """The part of each picture, [pictures]: of each class a stretch in the order given. Pictures
    that were taken one after the other are alike, and one of them tells the next."""
    parts = np.empty(len(truth), dtype=np.intp)
    count = min(PARTS, int(np.bincount(truth).min()))
    for one in np.unique(truth):
        places = np.flatnonzero(truth == one)
        parts[places] = np.arange(len(places)) * count // len(places)
    return parts


def probabilities(distances: Exact, temperature: float) -> Exact:
    """[rows, classes], each row's sum 1, every class as likely beforehand."""
    logits = -(distances**2) / (2 * temperature)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def certainty(distances: Exact, temperature: float) -> Exact:
    """The largest probability of each row, [rows]."""
    return np.asarray(probabilities(distances, temperature).max(axis=1))
