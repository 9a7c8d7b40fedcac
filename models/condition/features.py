"""Compute the features of the condition model from the series of a cycle, in numpy.

export.py builds the same computation as an ONNX graph: change both together. Training refuses to
write an artefact if they differ.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.condition.data import SECONDS, Floats

Doubles = NDArray[np.float64]

# A cycle is divided into phases of ten seconds; each load step lies within one phase.
PHASES = 6
PHASE_SECONDS = SECONDS // PHASES
# Weights of the readings in the least-squares slope of a phase.
_STEPS = np.arange(PHASE_SECONDS) - (PHASE_SECONDS - 1) / 2
SLOPE_WEIGHTS: Doubles = _STEPS / (_STEPS @ _STEPS)

NAMES = (
    *(f"mean_{phase}" for phase in range(PHASES)),
    *(f"slope_{phase}" for phase in range(PHASES)),
    *(f"spread_{phase}" for phase in range(PHASES)),
    "lowest",
    "highest",
)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Mean (`centre`) and standard deviation (`spread`) of each feature, [sensors, features]."""

    centre: Doubles
    spread: Doubles

    @classmethod
    def fit(cls, features: Doubles) -> Self:
        """Fit on features [cycles, sensors, features]; a constant feature gets a spread of 1."""
        spread = features.std(axis=0)
        return cls(features.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def transform(self, features: Doubles) -> Doubles:
        """Standardize features, [cycles, sensors, features]."""
        return (features - self.centre) / self.spread


def compute_features(readings: Floats) -> Doubles:
    """Compute the features of cycles, [cycles, sensors, features], in the order of NAMES.

    readings: [cycles, sensors, SECONDS]. The features are mean, slope a second and standard
    deviation of each phase, and minimum and maximum of the cycle.
    """
    values = readings.astype(np.float64)
    phases = values.reshape(*values.shape[:2], PHASES, PHASE_SECONDS)
    return np.concatenate(
        [
            phases.mean(axis=3),
            phases @ SLOPE_WEIGHTS,
            phases.std(axis=3),
            values.min(axis=2, keepdims=True),
            values.max(axis=2, keepdims=True),
        ],
        axis=2,
    )
