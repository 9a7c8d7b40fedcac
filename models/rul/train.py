"""Train and export: `python -m models.rul.train`.

Owns the learner, its settings, the calibration of the interval and the gate before the artefact is
written.
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

from models.onnx_graph import ExportDisagrees, opened
from models.rul.data import (
    CAP,
    SENSORS,
    Engine,
    Fleet,
    Floats,
    load,
)
from models.rul.export import to_onnx
from models.rul.features import SHORTEST, Scaling, engineer, learnable
from models.rul.intervals import Widths, calibrate
from models.rul.prototypes import ARTEFACT as PROTOTYPES
from models.rul.prototypes import prototypes, render
from models.rul.signature import signature
from models.training_data import TrainingDataMissing, default_directory

ARTEFACT = Path(__file__).with_name("model.onnx")
SEED = 2008
BOOSTERS = 5
FOLDS = 5
ROUNDS = 400
# Neighbouring cycles of one machine are all but the same row: large leaves, few features and few
# rows a tree keep the trees from learning single machines by heart.
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
# Trees in single precision send a row down another branch now and then: what is asked is that it
# does not matter, in cycles on average and at worst.
MEAN_TOLERANCE, LARGEST_TOLERANCE = 0.02, 2.0


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training gives."""

    boosters: tuple[lgb.Booster, ...]
    scaling: Scaling
    widths: Widths
    model: onnx.ModelProto


def fit(fleet: Sequence[Engine], scaling: Scaling, seed: int) -> lgb.Booster:
    """Gradient-boosted trees on every cycle of machines that ran to their failure."""
    features, truth = learnable(fleet, scaling)
    return lgb.train({**PARAMETERS, "seed": seed}, lgb.Dataset(features, label=truth), ROUNDS)


def predict(boosters: Sequence[lgb.Booster], features: Floats) -> Floats:
    """Remaining cycles, [rows], of 0 to the cap."""
    each = [np.asarray(one.predict(features), dtype=np.float64) for one in boosters]
    return np.asarray(np.clip(np.mean(each, axis=0), 0, CAP), dtype=np.float32)


def unseen(fleet: Fleet, seed: int) -> tuple[list[Floats], list[Floats]]:
    """What is said of each machine by trees that have not seen it, and the truth: [cycles] each."""
    order = np.random.default_rng(seed).permutation(len(fleet))
    said: dict[int, Floats] = {}
    for fold in np.array_split(order, FOLDS):
        left_out = set(fold.tolist())
        seen = [one for at, one in enumerate(fleet) if at not in left_out]
        scaling = Scaling.of(seen)
        booster = fit(seen, scaling, seed)
        said |= {at: predict([booster], engineer(fleet[at].readings, scaling)) for at in left_out}
    truths = [one.remaining[SHORTEST - 1 :] for one in fleet]
    return [said[at] for at in range(len(fleet))], truths


def train(fleet: Fleet) -> Trained:
    """Learn from the whole fleet, calibrate, build the graph and check it.

    Raises ExportDisagrees where the graph and the trees differ on cycles of the fleet.
    """
    scaling = Scaling.of(fleet)
    boosters = tuple(fit(fleet, scaling, SEED + number) for number in range(BOOSTERS))
    widths = calibrate(*unseen(fleet, SEED))
    model = to_onnx(boosters, scaling, widths, signature(fleet))
    trained = Trained(boosters, scaling, widths, model)
    _require_agreement(trained, fleet)
    return trained


def run(session: ort.InferenceSession, histories: Floats) -> tuple[Floats, Floats, Floats]:
    """`remaining_life`, `lower` and `upper`, [rows], of histories [rows, cycles, sensors]."""
    feed = {name: histories[:, :, at] for at, name in enumerate(SENSORS)}
    remaining, lower, upper = session.run(["remaining_life", "lower", "upper"], feed)
    return remaining, lower, upper


def _require_agreement(trained: Trained, fleet: Fleet) -> None:
    session = opened(trained.model.SerializeToString())
    apart = []
    for one in fleet:
        readings = one.readings[: SHORTEST + (len(one.readings) - SHORTEST) * 2 // 3]
        features = engineer(readings, trained.scaling)[-1:]
        said, expected = run(session, readings[np.newaxis])[0], predict(trained.boosters, features)
        apart.append(abs(float(said[0] - expected[0])))
    if np.mean(apart) > MEAN_TOLERANCE or max(apart) > LARGEST_TOLERANCE:
        raise ExportDisagrees(f"The graph is {np.mean(apart):.3f} cycles from the trees.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the artefact."""
    parser = argparse.ArgumentParser(description="Train the remaining life and export it to ONNX.")
    parser.add_argument("--data", type=Path, default=default_directory(), help="training sets")
    parser.add_argument("--output", type=Path, default=ARTEFACT, help="where the artefact goes")
    options = parser.parse_args(arguments)
    try:
        fleet = load(options.data).training
    except TrainingDataMissing as error:
        parser.error(str(error))
    trained = train(fleet)
    artefact = trained.model.SerializeToString(deterministic=True)
    options.output.write_bytes(artefact)
    known = prototypes(fleet, trained.scaling)
    options.output.with_name(PROTOTYPES.name).write_bytes(render(known))
    halves = ", ".join(f"{half:.1f}" for half in trained.widths.halves)
    sys.stdout.write(f"{options.output}: {len(artefact)} bytes, half intervals {halves} cycles\n")


if __name__ == "__main__":
    main()
