"""The features, in numpy: what the trees learn from.

Owns the names, the order and the arithmetic of the features. export.py builds the same arithmetic
as an ONNX graph: a change here is a change there, and training refuses to write an artefact where
the two differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.rul.data import SENSORS, Engine, Floats

Exact = NDArray[np.float64]

# Cycles at the end of a history. Short ones see a fast end, long ones a slow one through the noise.
MEANS = (5, 10, 20, 40)
SLOPES = (20, 40)
# What is compared with the mean of the whole life, which begins with a sound machine.
RECENT = 10
# Features are told in steps of that part of a sensor's usual spread. What is computed in single
# precision carries noise in its last digits, and a split must not hang on that.
STEPS = np.float32(1024)
# With less of a history nothing is said: a slope over it would be noise.
SHORTEST = 20
LONGEST = 1000

NAMES = (
    *(f"{sensor}_mean_{width}" for width in MEANS for sensor in SENSORS),
    *(f"{sensor}_rise_{width}" for width in SLOPES for sensor in SENSORS),
    *(f"{sensor}_drift" for sensor in SENSORS),
    "cycles",
)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Each sensor's mean and spread, [sensors]: what its readings are told in. In single precision
    thousands of revolutions would drown a slope of thousandths."""

    centre: Floats
    spread: Floats

    @classmethod
    def of(cls, fleet: Sequence[Engine]) -> Self:
        readings = np.vstack([one.readings for one in fleet]).astype(np.float64)
        spread = np.maximum(readings.std(axis=0), np.finfo(np.float32).eps * readings.mean(axis=0))
        return cls(readings.mean(axis=0).astype(np.float32), spread.astype(np.float32))


def engineer(readings: Floats, scaling: Scaling) -> Floats:
    """The features of one machine after each cycle from the SHORTEST-th on, [cycles, features].

    Each row knows the readings up to its cycle only. In spreads: means, the rise over a slope's
    width, and the drift, which is the recent mean less that of the whole life.
    """
    exact = ((readings - scaling.centre) / scaling.spread).astype(np.float64)
    ends = np.arange(SHORTEST, len(exact) + 1)
    sums = np.vstack([np.zeros(exact.shape[1]), np.cumsum(exact, axis=0)])
    means = {width: _means(sums, ends, width) for width in (*MEANS, RECENT)}
    life = sums[ends] / ends[:, np.newaxis]
    columns = (
        *(means[width] for width in MEANS),
        *(_rises(exact, ends, width) for width in SLOPES),
        means[RECENT] - life,
    )
    steps = np.round(np.hstack(columns).astype(np.float32) * STEPS) / STEPS
    return np.hstack([steps, ends[:, np.newaxis]], dtype=np.float32)


def learnable(fleet: Sequence[Engine], scaling: Scaling) -> tuple[Floats, Floats]:
    """Features [rows, features] and capped truth [rows] of all machines below each other."""
    features = np.vstack([engineer(one.readings, scaling) for one in fleet])
    truth = np.concatenate([one.remaining[SHORTEST - 1 :] for one in fleet])
    return features, truth


def latest(fleet: Sequence[Engine], scaling: Scaling) -> tuple[Floats, Floats]:
    """The same after each machine's last cycle only, [machines, features] and [machines]."""
    features = np.vstack([engineer(one.readings, scaling)[-1] for one in fleet])
    return features, np.array([one.remaining[-1] for one in fleet], dtype=np.float32)


def _means(sums: Exact, ends: NDArray[np.intp], width: int) -> Exact:
    starts = np.maximum(ends - width, 0)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts)[:, np.newaxis])


def _rises(readings: Exact, ends: NDArray[np.intp], width: int) -> Exact:
    """A line's rise over `width` cycles, by least squares over the last readings: so many, or all
    where there are fewer."""
    return np.stack([_slope(readings[max(end - width, 0) : end]) * width for end in ends])


def _slope(readings: Exact) -> Exact:
    steps = np.arange(len(readings)) - (len(readings) - 1) / 2
    return np.asarray(steps @ readings / (steps @ steps))
