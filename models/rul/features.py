"""Compute the features of the boosted trees from sensor histories, in numpy.

export.py builds the same computation as an ONNX graph: change both together. Training refuses to
write an artefact if they differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.rul.data import SENSORS, Engine, Floats

Doubles = NDArray[np.float64]

# Windows in cycles at the end of a history: short ones show fast degradation, long ones slow
# degradation despite noise.
MEAN_WINDOWS = (5, 10, 20, 40)
SLOPE_WINDOWS = (20, 40)
# Window in cycles whose mean is compared with the mean of the whole life, which began healthy.
DRIFT_WINDOW = 10
# Features are rounded to this fraction of a sensor's standard deviation: single precision has noise
# in its last digits, which must not decide a split.
ROUNDING_STEPS = np.float32(1024)
# Length of a history in cycles: with fewer cycles, slopes would be noise.
MIN_CYCLES = 20
MAX_CYCLES = 1000

NAMES = (
    *(f"{sensor}_mean_{width}" for width in MEAN_WINDOWS for sensor in SENSORS),
    *(f"{sensor}_rise_{width}" for width in SLOPE_WINDOWS for sensor in SENSORS),
    *(f"{sensor}_drift" for sensor in SENSORS),
    "cycles",
)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Mean (`centre`) and standard deviation (`spread`) of each sensor, [sensors].

    Readings are standardized first: in single precision, a slope of thousandths would be lost in
    readings of thousands of revolutions.
    """

    centre: Floats
    spread: Floats

    @classmethod
    def fit(cls, fleet: Sequence[Engine]) -> Self:
        """Compute mean and standard deviation over all cycles of a fleet."""
        readings = np.vstack([engine.readings for engine in fleet]).astype(np.float64)
        spread = np.maximum(readings.std(axis=0), np.finfo(np.float32).eps * readings.mean(axis=0))
        return cls(readings.mean(axis=0).astype(np.float32), spread.astype(np.float32))


def compute_features(readings: Floats, scaling: Scaling) -> Floats:
    """Compute one machine's features after each cycle from MIN_CYCLES on, [cycles, features].

    Each row uses only the readings up to its cycle. In standard deviations: rolling means, rises
    over the slope windows, and drift, the recent mean minus the mean of the whole life.
    """
    scaled = ((readings - scaling.centre) / scaling.spread).astype(np.float64)
    ends = np.arange(MIN_CYCLES, len(scaled) + 1)
    sums = np.vstack([np.zeros(scaled.shape[1]), np.cumsum(scaled, axis=0)])
    means = {width: _rolling_means(sums, ends, width) for width in (*MEAN_WINDOWS, DRIFT_WINDOW)}
    life_means = sums[ends] / ends[:, np.newaxis]
    columns = (
        *(means[width] for width in MEAN_WINDOWS),
        *(_rolling_rises(scaled, ends, width) for width in SLOPE_WINDOWS),
        means[DRIFT_WINDOW] - life_means,
    )
    rounded = np.round(np.hstack(columns).astype(np.float32) * ROUNDING_STEPS) / ROUNDING_STEPS
    return np.hstack([rounded, ends[:, np.newaxis]], dtype=np.float32)


def training_rows(fleet: Sequence[Engine], scaling: Scaling) -> tuple[Floats, Floats]:
    """Return features [rows, features] and capped remaining life [rows] of all machines."""
    features = np.vstack([compute_features(engine.readings, scaling) for engine in fleet])
    truth = np.concatenate([engine.remaining[MIN_CYCLES - 1 :] for engine in fleet])
    return features, truth


def last_cycle_rows(fleet: Sequence[Engine], scaling: Scaling) -> tuple[Floats, Floats]:
    """Return features and capped remaining life at each machine's last cycle."""
    features = np.vstack([compute_features(engine.readings, scaling)[-1] for engine in fleet])
    return features, np.array([engine.remaining[-1] for engine in fleet], dtype=np.float32)


def _rolling_means(sums: Doubles, ends: NDArray[np.intp], width: int) -> Doubles:
    """Return the mean of the last `width` or fewer readings at each end, from cumulative sums."""
    starts = np.maximum(ends - width, 0)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts)[:, np.newaxis])


def _rolling_rises(readings: Doubles, ends: NDArray[np.intp], width: int) -> Doubles:
    """Return the least-squares rise over `width` cycles of the last `width` readings."""
    return np.stack(
        [_least_squares_slope(readings[max(end - width, 0) : end]) * width for end in ends]
    )


def _least_squares_slope(readings: Doubles) -> Doubles:
    """Return the least-squares slope per cycle, [sensors]."""
    centred_cycles = np.arange(len(readings)) - (len(readings) - 1) / 2
    return np.asarray(centred_cycles @ readings / (centred_cycles @ centred_cycles))
