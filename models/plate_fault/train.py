"""Train and export: `python -m models.plate_fault.train`.

Owns the learner, its settings, the calibration and the gate before the artefact is written. Does
not own the figures that are published (evaluate.py).
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from sklearn.model_selection import StratifiedKFold

from models.calibration import Calibration, Exact, calibrate
from models.onnx_graph import opened
from models.plate_fault.data import FAULTS, MEASURES, Dataset, Floats, Places, load
from models.plate_fault.export import to_onnx
from models.plate_fault.signature import signature
from models.training_data import TrainingDataMissing, default_directory

ARTEFACT = Path(__file__).with_name("model.onnx")
SEED = 1941
FOLDS = 10
BOOSTERS = 2
ROUNDS = 65
# Limits drawn at random (extra_trees) among all measures: what is lost in one tree's fit, the many
# make up for. Such trees did as well as greedy ones, and their mean better.
PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "objective": "multiclass",
        "num_class": len(FAULTS),
        "extra_trees": True,
        "learning_rate": 0.1,
        "num_leaves": 31,
        "min_data_in_leaf": 2,
        "bagging_fraction": 0.9,
        "bagging_freq": 1,
        "lambda_l2": 0.1,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
)
EXPORT_TOLERANCE = 1e-4


class ExportDisagrees(RuntimeError):
    """The ONNX graph answers differently from the trees that it was made from."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training gives."""

    boosters: tuple[lgb.Booster, ...]
    calibration: Calibration
    model: ModelProto


@dataclass(frozen=True, slots=True)
class Answer:
    """What the graph says of N plates: fault and its probability, [N]; the probability of each
    fault, [N, FAULTS]; reasons and contributions, [N, TOLD]."""

    fault: NDArray[np.object_]
    probability: Floats
    each: Floats
    reasons: NDArray[np.object_]
    contributions: Floats


def fit(measures: Floats, faults: Places) -> tuple[lgb.Booster, ...]:
    """Gradient-boosted trees on measures [N, MEASURES] and faults [N]."""
    return tuple(
        lgb.train(
            {**PARAMETERS, "seed": SEED + number},
            lgb.Dataset(measures, label=faults, feature_name=list(MEASURES)),
            ROUNDS,
        )
        for number in range(BOOSTERS)
    )


def scores_of(boosters: Sequence[lgb.Booster], measures: Floats) -> Exact:
    """Of each fault, [N, FAULTS], not calibrated, in double precision."""
    each = [one.predict(measures, raw_score=True) for one in boosters]
    return np.asarray(np.mean(each, axis=0), dtype=np.float64)


def folds(faults: Places, seed: int) -> Iterator[tuple[Places, Places]]:
    """Which plates are seen and which not, FOLDS times, all faults in each."""
    divisions: Iterator[tuple[Places, Places]] = StratifiedKFold(
        FOLDS, shuffle=True, random_state=seed
    ).split(faults, faults)
    return divisions


def unseen_scores(measures: Floats, faults: Places) -> Exact:
    """Scores [N, FAULTS], every plate's by trees that have not seen it."""
    told = np.empty((len(faults), len(FAULTS)))
    for seen, unseen in folds(faults, SEED):
        told[unseen] = scores_of(fit(measures[seen], faults[seen]), measures[unseen])
    return told


def learn(measures: Floats, faults: Places) -> Trained:
    """Trees, calibration and graph from measures [N, MEASURES] and faults [N]."""
    boosters = fit(measures, faults)
    calibration = calibrate(unseen_scores(measures, faults), faults)
    return Trained(boosters, calibration, to_onnx(boosters, calibration, signature(measures)))


def predict(trained: Trained, measures: Floats) -> Exact:
    """Calibrated probability of each fault, [N, FAULTS], in double precision."""
    return trained.calibration.probabilities(scores_of(trained.boosters, measures))


def train(dataset: Dataset) -> Trained:
    """Learn from all plates, and check the graph.

    Raises ExportDisagrees where the graph and the trees differ on one of them.
    """
    trained = learn(dataset.measures, dataset.faults)
    told = run(trained.model.SerializeToString(), dataset.measures).each
    apart = np.abs(told - predict(trained, dataset.measures)).max()
    if apart > EXPORT_TOLERANCE:
        raise ExportDisagrees(f"The graph is {apart:.1e} from the trees.")
    return trained


def run(artefact: bytes, measures: Floats) -> Answer:
    """What a serialised graph says of measures [N, MEASURES]."""
    feed = {name: measures[:, at] for at, name in enumerate(MEASURES)}
    names = ("fault", "fault_probability", "reasons", "contributions")
    each = [f"{name}_probability" for name in FAULTS]
    fault, probability, reasons, contributions, *of_faults = opened(artefact).run(
        [*names, *each], feed
    )
    return Answer(fault, probability, np.stack(of_faults, axis=1), reasons, contributions)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the artefact."""
    parser = argparse.ArgumentParser(description="Train the plate fault and export it to ONNX.")
    parser.add_argument("--data", type=Path, default=default_directory(), help="training sets")
    parser.add_argument("--output", type=Path, default=ARTEFACT, help="where the artefact goes")
    options = parser.parse_args(arguments)
    try:
        trained = train(load(options.data))
    except TrainingDataMissing as error:
        parser.error(str(error))
    artefact = trained.model.SerializeToString(deterministic=True)
    options.output.write_bytes(artefact)
    slope = trained.calibration.slope
    sys.stdout.write(f"{options.output}: {len(artefact)} bytes, slope {slope:.2f}\n")


if __name__ == "__main__":
    main()
