"""Adapting the remaining life to another fleet: its run-to-failure histories in, a variant out.

Owns pooling with the base's prototypes and the held-out score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.adaptation import Adaptation, Progress, Score
from models.onnx_graph import opened, signature_of
from models.rul.data import Engine, Floats
from models.rul.export import to_onnx
from models.rul.features import SHORTEST, Scaling, engineer, learnable
from models.rul.fleet import read_fleet
from models.rul.intervals import calibrate
from models.rul.prototypes import ARTEFACT as PROTOTYPES
from models.rul.prototypes import Prototypes, read
from models.rul.signature import signature
from models.rul.train import ARTEFACT as BASE
from models.rul.train import PARAMETERS, predict, run

SEED = 1958
# What the fleet's own rows weigh beside the prototypes, together.
SHARE = 0.5
# A prototype stands for rows that are alike; weighed as one row, its leaf would shrink to nothing.
WEIGHT = 3.0
# Fewer and larger steps than the base's: as good on other fleets, and half the memory, of which
# thousands of variants share one server's.
ROUNDS, LEARNING_RATE = 200, 0.06
# Machines are scored at so many points of their life each.
POINTS = 10
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Fitted:
    """Trees and the spreads in which they are told the readings."""

    booster: lgb.Booster
    scaling: Scaling

    def predict(self, readings: Floats) -> Floats:
        """Remaining cycles after each cycle from the SHORTEST-th on, [cycles]."""
        return predict([self.booster], engineer(readings, self.scaling))


def adapt(training_file: bytes, progress: Progress) -> Adaptation:
    """Learn lines of `{"sensors": {"T24": [each cycle's value since new, …], …}}`, one line for
    each machine that ran to its failure; `units` names those that are not the signature's.

    Raises TrainingFileInvalid. The score leaves machines out in turn.
    """
    base = opened(BASE.read_bytes())
    fleet = read_fleet(training_file, signature_of(base))
    progress(f"{len(fleet)} machines with {sum(len(one.readings) for one in fleet)} cycles.")
    known = read(PROTOTYPES.read_bytes())
    said = _left_out(known, fleet, progress)
    truth = [one.remaining[SHORTEST - 1 :] for one in fleet]
    before = rmse([_asked(base, one) for one in fleet], [_points(one) for one in truth])
    after = rmse([_points(one) for one in said], [_points(one) for one in truth])
    progress(f"On machines left out, {before:.1f} cycles off before, {after:.1f} after.")
    fitted = fit(known, fleet)
    widths = calibrate(said, truth)
    graph = to_onnx([fitted.booster], fitted.scaling, widths, signature(fleet))
    score = Score("cycles off (RMSE)", before, after, higher_is_better=False)
    artefact = graph.SerializeToString(deterministic=True)
    return Adaptation(artefact, score, len(fleet), len(fleet))


def fit(known: Prototypes, fleet: Sequence[Engine]) -> Fitted:
    """Trees on the fleet's rows and the prototypes together, each fleet in its own spreads."""
    scaling = Scaling.of(fleet)
    features, truth = learnable(fleet, scaling)
    total = WEIGHT * len(truth)
    weights = np.concatenate(
        [
            known.rows / known.rows.sum() * total * (1 - SHARE),
            np.full(len(truth), total * SHARE / len(truth)),
        ]
    )
    rows = lgb.Dataset(
        np.vstack([known.features, features]),
        label=np.concatenate([known.remaining, truth]),
        weight=weights,
    )
    settings = {**PARAMETERS, "learning_rate": LEARNING_RATE, "seed": SEED}
    return Fitted(lgb.train(settings, rows, ROUNDS), scaling)


def rmse(said: Sequence[Floats], truth: Sequence[Floats]) -> float:
    """Each machine counts as one, however long it lived."""
    each = [np.mean((one - was) ** 2) for one, was in zip(said, truth, strict=True)]
    return float(np.sqrt(np.mean(each)))


def _left_out(known: Prototypes, fleet: Sequence[Engine], progress: Progress) -> list[Floats]:
    """What is said of each machine by trees that learned from the others: [cycles] each."""
    order = np.random.default_rng(SEED).permutation(len(fleet))
    said: dict[int, Floats] = {}
    folds = np.array_split(order, min(FOLDS, len(fleet)))
    for number, fold in enumerate(folds, 1):
        apart = set(fold.tolist())
        fitted = fit(known, [one for at, one in enumerate(fleet) if at not in apart])
        said |= {at: fitted.predict(fleet[at].readings) for at in apart}
        progress(f"Scoring: {number} of {len(folds)} parts left out.")
    return [said[at] for at in range(len(fleet))]


def _asked(base: ort.InferenceSession, machine: Engine) -> Floats:
    """What the base says at the points where the machine is scored."""
    ends = _places(len(machine.readings) - SHORTEST + 1) + SHORTEST
    answers = [run(base, machine.readings[np.newaxis, :end])[0] for end in ends]
    return np.concatenate(answers)


def _points(cycles: Floats) -> Floats:
    """A value for each cycle, thinned to the points where a machine is scored."""
    thinned: Floats = cycles[_places(len(cycles))]
    return thinned


def _places(count: int) -> NDArray[np.intp]:
    """Evenly over a life, the end included."""
    return np.round(np.linspace(0, count - 1, min(POINTS, count))).astype(np.intp)
