"""Train and export: `python -m models.plate_fault.train`.

Owns the learner, its settings, the calibration and the gate before the artefact is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import StratifiedKFold

from models.calibration import Calibration, Exact, calibrate
from models.onnx_graph import ExportDisagrees, opened
from models.plate_fault.data import FAULTS, MEASURES, Dataset, Floats, Places, load
from models.plate_fault.export import LEAST_SHARE, to_onnx
from models.plate_fault.signature import signature
from models.training_data import write_artefact

ARTEFACT = Path(__file__).with_name("model.onnx")
SEED = 1941
FOLDS = 10
# Within the plates that are learned from, for the calibration.
CALIBRATION_FOLDS = 5
# With 200 .2 of a point more are told right, and reasons take a third longer; with 100 .2 fewer.
TREES = 150
# A leaf that still holds so few plates is not asked further. Whole trees find half a point less.
SPLITS_FROM = 4
EXPORT_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training gives."""

    trees: ExtraTreesClassifier
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


def fit(measures: Floats, faults: Places) -> ExtraTreesClassifier:
    """Trees on measures [N, MEASURES] and faults [N], of which all occur. Each question of a tree
    is the best of one limit drawn at random for each measure (Geurts 2006)."""
    trees = ExtraTreesClassifier(
        TREES, max_features=None, min_samples_split=SPLITS_FROM, random_state=SEED
    )
    return trees.fit(measures, faults)


def scores_of(trees: ExtraTreesClassifier, measures: Floats) -> Exact:
    """Of each fault, [N, FAULTS], not calibrated, in double precision."""
    return np.asarray(np.log(trees.predict_proba(measures) + LEAST_SHARE))


def usual_plate(measures: Floats) -> Floats:
    """The median of each measure, [MEASURES]."""
    return np.asarray(np.median(measures, axis=0), dtype=np.float32)


def folds(faults: Places, seed: int, count: int = FOLDS) -> Iterator[tuple[Places, Places]]:
    """Which plates are seen and which not, `count` times, all faults in each."""
    divisions: Iterator[tuple[Places, Places]] = StratifiedKFold(
        count, shuffle=True, random_state=seed
    ).split(faults, faults)
    return divisions


def unseen_scores(measures: Floats, faults: Places) -> Exact:
    """Scores [N, FAULTS], every plate's by trees that have not seen it."""
    told = np.empty((len(faults), len(FAULTS)))
    for seen, unseen in folds(faults, SEED, CALIBRATION_FOLDS):
        told[unseen] = scores_of(fit(measures[seen], faults[seen]), measures[unseen])
    return told


def learn(measures: Floats, faults: Places) -> Trained:
    """Trees, calibration and graph from measures [N, MEASURES] and faults [N]. The calibration does
    not shift: the likeliest fault is that which most trees tell."""
    trees = fit(measures, faults)
    calibration = calibrate(unseen_scores(measures, faults), faults, shifted=False)
    model = to_onnx(trees, calibration, usual_plate(measures), signature(measures))
    return Trained(trees, calibration, model)


def predict(trained: Trained, measures: Floats) -> Exact:
    """Calibrated probability of each fault, [N, FAULTS], in double precision."""
    return trained.calibration.probabilities(scores_of(trained.trees, measures))


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
    write_artefact(arguments, "Train the plate fault and export it to ONNX.", ARTEFACT, _made)


def _made(directory: Path) -> tuple[bytes, str]:
    trained = train(load(directory))
    said = f"slope {trained.calibration.slope:.2f}"
    return trained.model.SerializeToString(deterministic=True), said


if __name__ == "__main__":
    main()
