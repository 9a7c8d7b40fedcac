"""Measure fine-tuning on a few machines of a simulated other fleet.

The other fleet is made of half of the machines: their sensors get other offsets and gains and more
noise, and in half of them a second fault moves some sensors in the opposite direction, like the fan
degradation of FD003. The simulation shows whether fine-tuning compensates a shift of this size, not
the error on FD003.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.rul.adapt import fit as fine_tune
from models.rul.adapt import rmse
from models.rul.data import SENSORS, Engine, Fleet, Floats
from models.rul.features import MIN_CYCLES, Scaling, compute_features
from models.rul.prototypes import build_prototypes
from models.rul.train import fit, predict

ADAPTATION_MACHINES = 5
_OFFSET, _GAIN, _NOISE = 1.0, (0.6, 1.4), 0.1
# Sensors that the two faults of such an engine move in opposite directions.
_REVERSED_SENSORS = [
    list(SENSORS).index(name) for name in ("P30", "phi", "BPR", "W31", "W32", "P15")
]
_HEALTHY_CYCLES = 10


@dataclass(frozen=True, slots=True)
class TransferErrors:
    """RMSE in cycles on test machines of the other fleet.

    base: the base model. fleet_only: fitted on ADAPTATION_MACHINES machines without the base's
    prototypes. adapted: fine-tuned on the same machines. whole_fleet: fitted on all training
    machines of the other fleet.
    """

    base: float
    fleet_only: float
    adapted: float
    whole_fleet: float

    @property
    def ratio(self) -> float:
        """Error after fine-tuning relative to training on the whole other fleet."""
        return self.adapted / self.whole_fleet


def measure_transfer(fleet: Fleet, seed: int) -> TransferErrors:
    """Measure the errors of one random split into base fleet and simulated other fleet."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(fleet))
    base_fleet = [fleet[machine] for machine in order[: len(order) // 2]]
    other_fleet = _make_other_fleet(
        [fleet[machine] for machine in order[len(order) // 2 :]], base_fleet, generator
    )
    training_machines, test_machines = (
        other_fleet[: len(other_fleet) * 3 // 5],
        other_fleet[len(other_fleet) * 3 // 5 :],
    )
    scaling = Scaling.fit(base_fleet)
    adapted = fine_tune(
        build_prototypes(base_fleet, scaling), training_machines[:ADAPTATION_MACHINES]
    )
    return TransferErrors(
        _rmse(fit(base_fleet, scaling, seed), scaling, test_machines),
        _rmse_without_base(training_machines[:ADAPTATION_MACHINES], test_machines, seed),
        _rmse(adapted.booster, adapted.scaling, test_machines),
        _rmse_without_base(training_machines, test_machines, seed),
    )


def _rmse_without_base(
    training_machines: Sequence[Engine], test_machines: Sequence[Engine], seed: int
) -> float:
    """Return the test RMSE of a booster fitted on `training_machines` alone, in cycles."""
    scaling = Scaling.fit(training_machines)
    return _rmse(fit(training_machines, scaling, seed), scaling, test_machines)


def _rmse(booster: lgb.Booster, scaling: Scaling, test_machines: Sequence[Engine]) -> float:
    """Return the test RMSE of a booster, in cycles."""
    predicted = [
        predict([booster], compute_features(engine.readings, scaling)) for engine in test_machines
    ]
    return rmse(predicted, [engine.remaining[MIN_CYCLES - 1 :] for engine in test_machines])


def _make_other_fleet(
    fleet: Sequence[Engine], base_fleet: Sequence[Engine], generator: np.random.Generator
) -> list[Engine]:
    """Simulate another fleet: other offsets and gains, more noise and a second fault."""
    spread = Scaling.fit(base_fleet).spread
    offset = generator.normal(0, _OFFSET, len(SENSORS)) * spread
    gain = generator.uniform(*_GAIN, len(SENSORS))
    return [
        _transform_history(engine.readings, offset, gain, spread, generator) for engine in fleet
    ]


def _transform_history(
    readings: Floats,
    offset: NDArray[np.float64],
    gain: NDArray[np.float64],
    spread: Floats,
    generator: np.random.Generator,
) -> Engine:
    """Simulate the history of one machine of the other fleet."""
    healthy = readings[:_HEALTHY_CYCLES].mean(axis=0)
    deviation = (readings - healthy) * gain
    if generator.random() < 0.5:
        deviation[:, _REVERSED_SENSORS] *= -1
    noise = generator.normal(0, _NOISE, deviation.shape) * spread
    return Engine((healthy + offset + deviation + noise).astype(np.float32), 0)
