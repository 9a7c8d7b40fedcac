"""Fine-tune remaining useful life on another fleet's run-to-failure histories."""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.adaptation import Adaptation, ProgressCallback, Score
from models.onnx_graph import read_signature
from models.onnx_session import open_session
from models.rul.data import Engine, Floats
from models.rul.export import to_onnx
from models.rul.features import MIN_CYCLES, Scaling, compute_features, training_rows
from models.rul.fleet import read_fleet
from models.rul.intervals import calibrate_widths
from models.rul.prototypes import ARTEFACT as PROTOTYPES
from models.rul.prototypes import Prototypes, read
from models.rul.signature import render_signature
from models.rul.train import ARTEFACT as BASE
from models.rul.train import PARAMETERS, predict, predict_with_graph
from models.sentences import sentence

SEED = 1958
# Share of the fleet's rows in the total sample weight; the rest is the prototypes'.
FLEET_WEIGHT_SHARE = 0.5
# Factor on all sample weights: with the weight of one row, leaves of prototypes would be
# regularized to almost 0.
WEIGHT_FACTOR = 3.0
# Fewer and larger boosting steps than the base's: the same error on other fleets at half the
# memory, because one server holds thousands of variants.
ROUNDS, LEARNING_RATE = 200, 0.06
# Evenly spaced cycles of each machine's life at which the score is computed.
SCORED_POINTS = 10
FOLDS = 5


@dataclass(frozen=True, slots=True)
class FittedTrees:
    """Boosted trees and the scaling of their readings."""

    booster: lgb.Booster
    scaling: Scaling

    def predict(self, readings: Floats) -> Floats:
        """Predict remaining life in cycles after each cycle from MIN_CYCLES on, [cycles]."""
        return predict([self.booster], compute_features(readings, self.scaling))


def adapt(training_file: bytes, progress: ProgressCallback) -> Adaptation:
    """Fit a variant on a training file in JSON lines, one machine that ran to failure per line.

        {"sensors": {"T24": [each cycle's value since new, …], …}}

    `units` gives the units that differ from the signature's. The score is cross-validated over
    machines. Raises TrainingFileInvalid.
    """
    base = open_session(BASE.read_bytes())
    fleet = read_fleet(training_file, read_signature(base))
    progress(
        sentence(
            "{count} machines with {cycles} cycles.",
            count=len(fleet),
            cycles=sum(len(engine.readings) for engine in fleet),
        )
    )
    base_prototypes = read(PROTOTYPES.read_bytes())
    predictions = _out_of_fold_predictions(base_prototypes, fleet, progress)
    truth = [engine.remaining[MIN_CYCLES - 1 :] for engine in fleet]
    before = rmse(
        [_base_predictions(base, engine) for engine in fleet],
        [_at_scored_points(engine) for engine in truth],
    )
    after = rmse(
        [_at_scored_points(engine) for engine in predictions],
        [_at_scored_points(engine) for engine in truth],
    )
    progress(
        sentence(
            "RMSE on held-out machines: {before:.1f} cycles before training, {after:.1f} after.",
            before=before,
            after=after,
        )
    )
    fitted = fit(base_prototypes, fleet)
    widths = calibrate_widths(predictions, truth)
    graph = to_onnx([fitted.booster], fitted.scaling, widths, render_signature(fleet))
    score = Score("RMSE in cycles", before, after, higher_is_better=False)
    artefact = graph.SerializeToString(deterministic=True)
    return Adaptation(artefact, score, len(fleet), len(fleet))


def fit(base_prototypes: Prototypes, fleet: Sequence[Engine]) -> FittedTrees:
    """Fit trees on the fleet's rows and the prototypes, each fleet with its own scaling."""
    scaling = Scaling.fit(fleet)
    features, truth = training_rows(fleet, scaling)
    total = WEIGHT_FACTOR * len(truth)
    weights = np.concatenate(
        [
            base_prototypes.rows / base_prototypes.rows.sum() * total * (1 - FLEET_WEIGHT_SHARE),
            np.full(len(truth), total * FLEET_WEIGHT_SHARE / len(truth)),
        ]
    )
    dataset = lgb.Dataset(
        np.vstack([base_prototypes.features, features]),
        label=np.concatenate([base_prototypes.remaining, truth]),
        weight=weights,
    )
    settings = {**PARAMETERS, "learning_rate": LEARNING_RATE, "seed": SEED}
    return FittedTrees(lgb.train(settings, dataset, ROUNDS), scaling)


def rmse(predictions: Sequence[Floats], truth: Sequence[Floats]) -> float:
    """Return the root mean squared error in cycles; each machine has the same weight."""
    squared_errors = [
        np.mean((predicted - actual) ** 2)
        for predicted, actual in zip(predictions, truth, strict=True)
    ]
    return float(np.sqrt(np.mean(squared_errors)))


def _out_of_fold_predictions(
    base_prototypes: Prototypes, fleet: Sequence[Engine], progress: ProgressCallback
) -> list[Floats]:
    """Return out-of-fold predictions of each machine, [cycles] each (grouped k-fold)."""
    order = np.random.default_rng(SEED).permutation(len(fleet))
    predictions: dict[int, Floats] = {}
    folds = np.array_split(order, min(FOLDS, len(fleet)))
    for number, fold in enumerate(folds, 1):
        test_fold = set(fold.tolist())
        fitted = fit(
            base_prototypes,
            [engine for machine, engine in enumerate(fleet) if machine not in test_fold],
        )
        predictions |= {machine: fitted.predict(fleet[machine].readings) for machine in test_fold}
        progress(sentence("Evaluating: fold {number} of {count}.", number=number, count=len(folds)))
    return [predictions[machine] for machine in range(len(fleet))]


def _base_predictions(base: ort.InferenceSession, machine: Engine) -> Floats:
    """Return the base model's predictions at the scored points of a machine, [points]."""
    ends = _scored_positions(len(machine.readings) - MIN_CYCLES + 1) + MIN_CYCLES
    outputs = [predict_with_graph(base, machine.readings[np.newaxis, :end])[0] for end in ends]
    return np.concatenate(outputs)


def _at_scored_points(cycles: Floats) -> Floats:
    """Select the values of a machine's cycles at its scored points, [points]."""
    thinned: Floats = cycles[_scored_positions(len(cycles))]
    return thinned


def _scored_positions(count: int) -> NDArray[np.intp]:
    """Return evenly spaced positions among `count` cycles, the last included."""
    return np.round(np.linspace(0, count - 1, min(SCORED_POINTS, count))).astype(np.intp)
