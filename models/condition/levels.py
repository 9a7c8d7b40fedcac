"""How a component's level is told: a sum of what each sensor says.

A level counts the conditions from the worst, 0, to the sound one. It is a ridge regression with
one more penalty, on the variance of what each sensor contributes. Without it, sensors that move
together get huge weights of opposite sign: what one adds another takes away, the reasons say
nothing, and cycles under new conditions are told worse.
"""

from dataclasses import dataclass

import numpy as np

from models.condition.data import Places
from models.condition.features import Exact, Scaling

# Against directions of which training has seen next to nothing.
RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class LevelModel:
    """Of several targets. weights: [sensors, features, targets]. sound: [sensors, targets], what a
    sensor says on average of a sound component. usual: of each target the level that is told of
    each of its conditions on average, [conditions]; the last is the sound one."""

    scaling: Scaling
    weights: Exact
    sound: Exact
    usual: tuple[Exact, ...]

    def contributions(self, features: Exact) -> Exact:
        """What each sensor says against a sound component, [cycles, sensors, targets]."""
        return _products(self.scaling.apply(features), self.weights) - self.sound

    def levels(self, features: Exact) -> Exact:
        """[cycles, targets]"""
        sound = np.array([levels[-1] for levels in self.usual])
        return np.asarray(self.contributions(features).sum(axis=1) + sound)

    def scores(self, features: Exact) -> tuple[Exact, ...]:
        """Of each target, [cycles, conditions]: greatest for the condition whose usual level is
        nearest, and linear in the level. Each is level × usual - usual² / 2, which is half of the
        negative squared distance but for a part that all conditions of a cycle share."""
        levels = self.levels(features)
        return tuple(
            np.asarray(levels[:, at, np.newaxis] * usual - usual**2 / 2)
            for at, usual in enumerate(self.usual)
        )


@dataclass(frozen=True, slots=True)
class Moments:
    """What fitting needs to know of its cycles, so that one reading of them serves all strengths.
    within: between features of one sensor only, the rest 0."""

    scaling: Scaling
    scaled: Exact
    places: Places
    between: Exact
    within: Exact

    @classmethod
    def of(cls, features: Exact, places: Places) -> "Moments":
        """From features [cycles, sensors, features] and places [cycles, targets]."""
        scaling = Scaling.of(features)
        scaled = scaling.apply(features)
        flat = scaled.reshape(len(scaled), -1)
        between = flat.T @ flat / len(flat)
        sensor = np.arange(flat.shape[1]) // features.shape[2]
        within = np.where(sensor[:, np.newaxis] == sensor, between, 0.0)
        return cls(scaling, scaled, places, between, within)


def fit(moments: Moments, strengths: tuple[float, ...]) -> LevelModel:
    """`strengths` of the penalty on what each sensor contributes, one for each target."""
    flat = moments.scaled.reshape(len(moments.scaled), -1)
    truth = moments.places - moments.places.mean(axis=0)
    wanted = flat.T @ truth / len(flat)
    ridge = RIDGE * np.eye(len(wanted))
    solved = [
        np.linalg.solve(moments.between + strength * moments.within + ridge, wanted[:, at])
        for at, strength in enumerate(strengths)
    ]
    weights = np.stack(solved, axis=1).reshape(*moments.scaled.shape[1:], -1)
    said = _products(moments.scaled, weights)
    levels = said.sum(axis=1) + moments.places.mean(axis=0)
    columns = moments.places.T
    best = [rows == rows.max() for rows in columns]
    return LevelModel(
        moments.scaling,
        weights,
        np.stack([said[rows, :, at].mean(axis=0) for at, rows in enumerate(best)], axis=1),
        tuple(_means(levels[:, at], rows) for at, rows in enumerate(columns)),
    )


def _means(levels: Exact, places: Places) -> Exact:
    """Of the levels at each place."""
    return np.bincount(places, weights=levels) / np.bincount(places)


def _products(scaled: Exact, weights: Exact) -> Exact:
    """[cycles, sensors, targets]"""
    return np.asarray(np.einsum("csf,sft->cst", scaled, weights))
