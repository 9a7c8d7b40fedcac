"""Linear model of each component's condition level, as a sum of contributions of the sensors.

The level is the label of the condition, 0 for the worst. The model is a ridge regression with a
second penalty, on the variance of each sensor's contribution. Without it, correlated sensors get
large weights of opposite sign that cancel each other: the contributions explain nothing, and the
accuracy on new conditions falls.
"""

from dataclasses import dataclass

import numpy as np

from models.condition.data import Labels
from models.condition.features import Doubles, Scaling

# Ridge penalty for directions without variance in the training data.
RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class LevelModel:
    """A fitted linear model of the levels of several targets.

    weights: [sensors, features, targets]. healthy: mean contribution of each sensor for a healthy
    component, [sensors, targets]. mean_levels: mean predicted level of each condition, [conditions]
    for each target; the last one is healthy.
    """

    scaling: Scaling
    weights: Doubles
    healthy: Doubles
    mean_levels: tuple[Doubles, ...]

    def contributions(self, features: Doubles) -> Doubles:
        """Return the sensors' contributions relative to healthy, [cycles, sensors, targets]."""
        return _sensor_sums(self.scaling.transform(features), self.weights) - self.healthy

    def levels(self, features: Doubles) -> Doubles:
        """Predict the level of each target, [cycles, targets]."""
        sound = np.array([levels[-1] for levels in self.mean_levels])
        return np.asarray(self.contributions(features).sum(axis=1) + sound)

    def scores(self, features: Doubles) -> tuple[Doubles, ...]:
        """Score each target's conditions by nearness to their mean, [cycles, conditions] each.

        The score is highest for the condition with the nearest mean level, and linear in the level:
        level × mean - mean² / 2 is half of the negative squared distance plus a term that is equal
        for all conditions of a cycle.
        """
        levels = self.levels(features)
        return tuple(
            np.asarray(levels[:, target, np.newaxis] * mean_levels - mean_levels**2 / 2)
            for target, mean_levels in enumerate(self.mean_levels)
        )


@dataclass(frozen=True, slots=True)
class FitMoments:
    """Second moments of the training cycles, computed once and used for all penalties.

    gram: Gram matrix of all scaled features. within_sensor_gram: the same with zeros between
    features of different sensors.
    """

    scaling: Scaling
    scaled: Doubles
    labels: Labels
    gram: Doubles
    within_sensor_gram: Doubles

    @classmethod
    def compute(cls, features: Doubles, labels: Labels) -> "FitMoments":
        """Compute the moments of features [cycles, sensors, features]."""
        scaling = Scaling.fit(features)
        scaled = scaling.transform(features)
        flat = scaled.reshape(len(scaled), -1)
        gram = flat.T @ flat / len(flat)
        sensor = np.arange(flat.shape[1]) // features.shape[2]
        within_sensor_gram = np.where(sensor[:, np.newaxis] == sensor, gram, 0.0)
        return cls(scaling, scaled, labels, gram, within_sensor_gram)


def fit(moments: FitMoments, penalties: tuple[float, ...]) -> LevelModel:
    """Fit the level model; `penalties` are on the sensors' contributions, one per target."""
    flat = moments.scaled.reshape(len(moments.scaled), -1)
    centred_labels = moments.labels - moments.labels.mean(axis=0)
    covariances = flat.T @ centred_labels / len(flat)
    ridge = RIDGE * np.eye(len(covariances))
    weights_by_target = [
        np.linalg.solve(
            moments.gram + penalty * moments.within_sensor_gram + ridge, covariances[:, target]
        )
        for target, penalty in enumerate(penalties)
    ]
    weights = np.stack(weights_by_target, axis=1).reshape(*moments.scaled.shape[1:], -1)
    sensor_sums = _sensor_sums(moments.scaled, weights)
    levels = sensor_sums.sum(axis=1) + moments.labels.mean(axis=0)
    columns = moments.labels.T
    healthy_masks = [labels == labels.max() for labels in columns]
    return LevelModel(
        moments.scaling,
        weights,
        np.stack(
            [
                sensor_sums[labels, :, target].mean(axis=0)
                for target, labels in enumerate(healthy_masks)
            ],
            axis=1,
        ),
        tuple(
            _mean_level_by_label(levels[:, target], labels) for target, labels in enumerate(columns)
        ),
    )


def _mean_level_by_label(levels: Doubles, labels: Labels) -> Doubles:
    """Return the mean level of the cycles with each label, [labels]."""
    return np.bincount(labels, weights=levels) / np.bincount(labels)


def _sensor_sums(scaled: Doubles, weights: Doubles) -> Doubles:
    """Return the weighted sum of each sensor's features, [cycles, sensors, targets]."""
    return np.asarray(np.einsum("csf,sft->cst", scaled, weights))
