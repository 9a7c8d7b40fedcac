"""Train the plate-fault classifier and export it to ONNX: `python -m models.plate_fault.train`.

The artefact is written only if its graph reproduces the trees.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import StratifiedKFold

from models.calibration import Calibration, FloatArray, fit_calibration
from models.onnx_graph import ExportMismatch
from models.onnx_session import open_session
from models.plate_fault.data import FAULTS, MEASURES, ClassIndices, Dataset, Floats, load
from models.plate_fault.export import MIN_VOTE_SHARE, to_onnx
from models.plate_fault.signature import build_signature
from models.training_data import write_artefact

ARTEFACT = Path(__file__).with_name("model.onnx")
SEED = 1941
FOLDS = 10
# Cross-validation folds within the training plates, for the calibration.
CALIBRATION_FOLDS = 5
# 200 trees: accuracy +.2 points, reasons a third slower; 100 trees: accuracy -.2 points.
TREE_COUNT = 150
# Minimum plates to split a node. Fully grown trees lose half a point of accuracy.
MIN_SAMPLES_SPLIT = 4
EXPORT_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The trained trees, their calibration and the exported ONNX model."""

    trees: ExtraTreesClassifier
    calibration: Calibration
    model: ModelProto


@dataclass(frozen=True, slots=True)
class Predictions:
    """The graph's predictions for N plates.

    fault and its probability, [N]; class_probabilities, [N, FAULTS]; reasons and contributions,
    [N, TOLD].
    """

    fault: NDArray[np.object_]
    probability: Floats
    class_probabilities: Floats
    reasons: NDArray[np.object_]
    contributions: Floats


def fit(measures: Floats, faults: ClassIndices) -> ExtraTreesClassifier:
    """Fit extremely randomised trees (Geurts 2006) on measures [N, MEASURES] and faults [N].

    Every fault must occur. Each split is the best of one random threshold per measure.
    """
    trees = ExtraTreesClassifier(
        TREE_COUNT, max_features=None, min_samples_split=MIN_SAMPLES_SPLIT, random_state=SEED
    )
    return trees.fit(measures, faults)


def scores_of(trees: ExtraTreesClassifier, measures: Floats) -> FloatArray:
    """Return the uncalibrated log vote shares of the faults, [N, FAULTS], in double precision."""
    return np.asarray(np.log(trees.predict_proba(measures) + MIN_VOTE_SHARE))


def reference_plate(measures: Floats) -> Floats:
    """Return the reference plate: the median of each measure, [MEASURES]."""
    return np.asarray(np.median(measures, axis=0), dtype=np.float32)


def stratified_splits(
    faults: ClassIndices, seed: int, count: int = FOLDS
) -> Iterator[tuple[ClassIndices, ClassIndices]]:
    """Return stratified cross-validation splits as train and test indices."""
    splits: Iterator[tuple[ClassIndices, ClassIndices]] = StratifiedKFold(
        count, shuffle=True, random_state=seed
    ).split(faults, faults)
    return splits


def out_of_fold_scores(measures: Floats, faults: ClassIndices) -> FloatArray:
    """Return out-of-fold scores, [N, FAULTS], from a stratified cross-validation."""
    scores = np.empty((len(faults), len(FAULTS)))
    for train_rows, test_rows in stratified_splits(faults, SEED, CALIBRATION_FOLDS):
        scores[test_rows] = scores_of(
            fit(measures[train_rows], faults[train_rows]), measures[test_rows]
        )
    return scores


def fit_model(measures: Floats, faults: ClassIndices) -> TrainedModel:
    """Fit trees and calibration on measures [N, MEASURES] and faults [N], and build the graph.

    The calibration has no shift, so that the most probable fault is the one most trees vote for.
    """
    trees = fit(measures, faults)
    calibration = fit_calibration(out_of_fold_scores(measures, faults), faults, fit_shifts=False)
    model = to_onnx(trees, calibration, reference_plate(measures), build_signature(measures))
    return TrainedModel(trees, calibration, model)


def predict(trained: TrainedModel, measures: Floats) -> FloatArray:
    """Return the calibrated probability of each fault, [N, FAULTS], in double precision."""
    return trained.calibration.probabilities(scores_of(trained.trees, measures))


def train(dataset: Dataset) -> TrainedModel:
    """Fit the model on all plates and check its ONNX graph.

    Raises ExportDisagrees if graph and trees differ on a plate.
    """
    trained = fit_model(dataset.measures, dataset.faults)
    probabilities = run_artefact(
        trained.model.SerializeToString(), dataset.measures
    ).class_probabilities
    difference = np.abs(probabilities - predict(trained, dataset.measures)).max()
    if difference > EXPORT_TOLERANCE:
        raise ExportMismatch(f"The ONNX graph differs from the trees by {difference:.1e}.")
    return trained


def run_artefact(artefact: bytes, measures: Floats) -> Predictions:
    """Return the predictions of a serialised graph for measures [N, MEASURES]."""
    feed = {name: measures[:, index] for index, name in enumerate(MEASURES)}
    names = ("fault", "fault_probability", "reasons", "contributions")
    class_outputs = [f"{name}_probability" for name in FAULTS]
    fault, probability, reasons, contributions, *class_probabilities = open_session(artefact).run(
        [*names, *class_outputs], feed
    )
    return Predictions(
        fault, probability, np.stack(class_probabilities, axis=1), reasons, contributions
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the model and write the artefact."""
    write_artefact(
        arguments, "Train the plate fault model and export it.", ARTEFACT, _train_artefact
    )


def _train_artefact(directory: Path) -> tuple[bytes, str]:
    """Train on the data in `directory`; return the artefact and a summary."""
    trained = train(load(directory))
    summary = f"slope {trained.calibration.slope:.2f}"
    return trained.model.SerializeToString(deterministic=True), summary


if __name__ == "__main__":
    main()
