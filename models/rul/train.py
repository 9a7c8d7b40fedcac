"""Train the remaining useful life model and export it to ONNX: `python -m models.rul.train`.

The artefact is written only if the graph agrees with the boosters.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort

from models.onnx_graph import ExportMismatch
from models.onnx_session import open_session
from models.rul.data import (
    CAP,
    SENSORS,
    Engine,
    Fleet,
    Floats,
    load,
)
from models.rul.export import to_onnx
from models.rul.features import MIN_CYCLES, Scaling, compute_features, training_rows
from models.rul.intervals import IntervalWidths, calibrate_widths
from models.rul.prototypes import ARTEFACT as PROTOTYPES
from models.rul.prototypes import build_prototypes, render
from models.rul.signature import render_signature
from models.training_data import TrainingDataMissing, default_directory

ARTEFACT = Path(__file__).with_name("model.onnx")
SEED = 2008
BOOSTERS = 5
FOLDS = 5
ROUNDS = 400
# Adjacent cycles of one machine are nearly identical rows: large leaves, and few features and rows
# for each tree, keep the trees from overfitting single machines.
PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "objective": "regression",
        "learning_rate": 0.03,
        "num_leaves": 15,
        "min_data_in_leaf": 60,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.6,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
)
# Mean and maximum difference in cycles between graph and boosters: in single precision a row
# occasionally takes another branch of a tree.
MEAN_TOLERANCE, MAX_TOLERANCE = 0.02, 2.0


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The result of a training: boosters, feature scaling, interval widths and ONNX graph."""

    boosters: tuple[lgb.Booster, ...]
    scaling: Scaling
    widths: IntervalWidths
    model: onnx.ModelProto


def fit(fleet: Sequence[Engine], scaling: Scaling, seed: int) -> lgb.Booster:
    """Fit gradient-boosted trees on all cycles of machines that ran to failure."""
    features, truth = training_rows(fleet, scaling)
    return lgb.train({**PARAMETERS, "seed": seed}, lgb.Dataset(features, label=truth), ROUNDS)


def predict(boosters: Sequence[lgb.Booster], features: Floats) -> Floats:
    """Predict remaining life in cycles, clipped to 0 and CAP, [rows]."""
    by_booster = [np.asarray(booster.predict(features), dtype=np.float64) for booster in boosters]
    return np.asarray(np.clip(np.mean(by_booster, axis=0), 0, CAP), dtype=np.float32)


def out_of_fold_predictions(fleet: Fleet, seed: int) -> tuple[list[Floats], list[Floats]]:
    """Return out-of-fold predictions and truth of each machine, [cycles] each (grouped k-fold)."""
    order = np.random.default_rng(seed).permutation(len(fleet))
    predictions: dict[int, Floats] = {}
    for fold in np.array_split(order, FOLDS):
        test_fold = set(fold.tolist())
        training_machines = [
            engine for machine, engine in enumerate(fleet) if machine not in test_fold
        ]
        scaling = Scaling.fit(training_machines)
        booster = fit(training_machines, scaling, seed)
        predictions |= {
            machine: predict([booster], compute_features(fleet[machine].readings, scaling))
            for machine in test_fold
        }
    truths = [engine.remaining[MIN_CYCLES - 1 :] for engine in fleet]
    return [predictions[machine] for machine in range(len(fleet))], truths


def train(fleet: Fleet) -> TrainedModel:
    """Fit on the whole fleet, calibrate the intervals, and build and verify the graph.

    Raises ExportMismatch if graph and boosters differ on the fleet.
    """
    scaling = Scaling.fit(fleet)
    boosters = tuple(fit(fleet, scaling, SEED + number) for number in range(BOOSTERS))
    widths = calibrate_widths(*out_of_fold_predictions(fleet, SEED))
    model = to_onnx(boosters, scaling, widths, render_signature(fleet))
    trained = TrainedModel(boosters, scaling, widths, model)
    _require_graph_agreement(trained, fleet)
    return trained


def predict_with_graph(
    session: ort.InferenceSession, histories: Floats
) -> tuple[Floats, Floats, Floats]:
    """Run the graph on histories [rows, cycles, sensors].

    Returns `remaining_life`, `lower` and `upper`, [rows] each.
    """
    feed = {name: histories[:, :, at] for at, name in enumerate(SENSORS)}
    remaining, lower, upper = session.run(["remaining_life", "lower", "upper"], feed)
    return remaining, lower, upper


def _require_graph_agreement(trained: TrainedModel, fleet: Fleet) -> None:
    """Raise ExportMismatch if graph and boosters differ by more than the tolerances."""
    session = open_session(trained.model.SerializeToString())
    differences = []
    for engine in fleet:
        readings = engine.readings[: MIN_CYCLES + (len(engine.readings) - MIN_CYCLES) * 2 // 3]
        features = compute_features(readings, trained.scaling)[-1:]
        predicted, expected = (
            predict_with_graph(session, readings[np.newaxis])[0],
            predict(trained.boosters, features),
        )
        differences.append(abs(float(predicted[0] - expected[0])))
    if np.mean(differences) > MEAN_TOLERANCE or max(differences) > MAX_TOLERANCE:
        raise ExportMismatch(
            f"The ONNX graph differs from the trees by {np.mean(differences):.3f} cycles."
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the artefact and the prototypes."""
    parser = argparse.ArgumentParser(
        description="Train the remaining useful life model and export it to ONNX."
    )
    parser.add_argument(
        "--data", type=Path, default=default_directory(), help="directory of the training sets"
    )
    parser.add_argument("--output", type=Path, default=ARTEFACT, help="file to write the model to")
    options = parser.parse_args(arguments)
    try:
        fleet = load(options.data).training
    except TrainingDataMissing as error:
        parser.error(str(error))
    trained = train(fleet)
    artefact = trained.model.SerializeToString(deterministic=True)
    options.output.write_bytes(artefact)
    base_prototypes = build_prototypes(fleet, trained.scaling)
    options.output.with_name(PROTOTYPES.name).write_bytes(render(base_prototypes))
    half_widths = ", ".join(f"{half_width:.1f}" for half_width in trained.widths.half_widths)
    sys.stdout.write(
        f"{options.output}: {len(artefact)} bytes, half intervals {half_widths} cycles\n"
    )


if __name__ == "__main__":
    main()
