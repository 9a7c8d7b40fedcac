"""How well few machines of another fleet do, where no other fleet is given.

Owns making another fleet out of half of this one, and the ratio of errors. The half's sensors are
given other zero points and other gains, more noise, and in half of its machines a second fault that
moves some sensors the other way, as FD003's fan degradation does. It is a stand-in: it tells
whether the method carries over a change of that size, not how large the error on FD003 is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.rul.adapt import fit as adapted
from models.rul.adapt import rmse
from models.rul.data import SENSORS, Engine, Fleet, Floats
from models.rul.features import SHORTEST, Scaling, engineer
from models.rul.prototypes import prototypes
from models.rul.train import fit, predict

FEW = 5
_OFFSET, _GAIN, _NOISE = 1.0, (0.6, 1.4), 0.1
# Sensors that two faults of such an engine move in opposite directions.
_TURNED = [list(SENSORS).index(name) for name in ("P30", "phi", "BPR", "W31", "W32", "P15")]
_SOUND = 10


@dataclass(frozen=True, slots=True)
class Carried:
    """Cycles off (RMSE) on machines of the other fleet that nothing learned from: `base` as it is,
    `few` adapted from FEW machines, `alone` from these without the base, `whole` from all the
    others of the fleet."""

    base: float
    alone: float
    few: float
    whole: float

    @property
    def ratio(self) -> float:
        return self.few / self.whole


def carried(fleet: Fleet, seed: int) -> Carried:
    """One division, half of the machines being the other fleet."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(fleet))
    home = [fleet[at] for at in order[: len(order) // 2]]
    away = _other([fleet[at] for at in order[len(order) // 2 :]], home, generator)
    learned, judged = away[: len(away) * 3 // 5], away[len(away) * 3 // 5 :]
    scaling = Scaling.of(home)
    few = adapted(prototypes(home, scaling), learned[:FEW])
    return Carried(
        _error(fit(home, scaling, seed), scaling, judged),
        _alone(learned[:FEW], judged, seed),
        _error(few.booster, few.scaling, judged),
        _alone(learned, judged, seed),
    )


def _alone(learned: Sequence[Engine], judged: Sequence[Engine], seed: int) -> float:
    scaling = Scaling.of(learned)
    return _error(fit(learned, scaling, seed), scaling, judged)


def _error(booster: lgb.Booster, scaling: Scaling, judged: Sequence[Engine]) -> float:
    said = [predict([booster], engineer(one.readings, scaling)) for one in judged]
    return rmse(said, [one.remaining[SHORTEST - 1 :] for one in judged])


def _other(
    fleet: Sequence[Engine], home: Sequence[Engine], generator: np.random.Generator
) -> list[Engine]:
    spread = Scaling.of(home).spread
    offset = generator.normal(0, _OFFSET, len(SENSORS)) * spread
    gain = generator.uniform(*_GAIN, len(SENSORS))
    return [_moved(one.readings, offset, gain, spread, generator) for one in fleet]


def _moved(
    readings: Floats,
    offset: NDArray[np.float64],
    gain: NDArray[np.float64],
    spread: Floats,
    generator: np.random.Generator,
) -> Engine:
    sound = readings[:_SOUND].mean(axis=0)
    change = (readings - sound) * gain
    if generator.random() < 0.5:
        change[:, _TURNED] *= -1
    noise = generator.normal(0, _NOISE, change.shape) * spread
    return Engine((sound + offset + change + noise).astype(np.float32), 0)
