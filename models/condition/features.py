"""The features, in numpy: what the model learns from.

export.py builds the same arithmetic as an ONNX graph: a change here is a change there, and training
refuses to write an artefact where the two differ.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.condition.data import SECONDS, Floats

Exact = NDArray[np.float64]

# Each ten seconds are a phase: the load steps of the cycle lie within them.
PHASES = 6
PHASE_SECONDS = SECONDS // PHASES
# A line's slope over a phase, by least squares, is the readings times these.
_STEPS = np.arange(PHASE_SECONDS) - (PHASE_SECONDS - 1) / 2
SLOPE_WEIGHTS: Exact = _STEPS / (_STEPS @ _STEPS)

NAMES = (
    *(f"mean_{phase}" for phase in range(PHASES)),
    *(f"slope_{phase}" for phase in range(PHASES)),
    *(f"spread_{phase}" for phase in range(PHASES)),
    "lowest",
    "highest",
)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Each feature's mean and spread in training, [sensors, features]."""

    centre: Exact
    spread: Exact

    @classmethod
    def of(cls, features: Exact) -> Self:
        """From [cycles, sensors, features]. A feature that never moves gets a spread of 1."""
        spread = features.std(axis=0)
        return cls(features.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def apply(self, features: Exact) -> Exact:
        return (features - self.centre) / self.spread


def engineer(readings: Floats) -> Exact:
    """Features [cycles, sensors, features], in the order of NAMES, of readings [cycles, sensors,
    SECONDS]: mean, slope (a second) and standard deviation in each phase, and the extremes."""
    exact = readings.astype(np.float64)
    phases = exact.reshape(*exact.shape[:2], PHASES, PHASE_SECONDS)
    return np.concatenate(
        [
            phases.mean(axis=3),
            phases @ SLOPE_WEIGHTS,
            phases.std(axis=3),
            exact.min(axis=2, keepdims=True),
            exact.max(axis=2, keepdims=True),
        ],
        axis=2,
    )
