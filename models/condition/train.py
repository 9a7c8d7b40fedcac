"""Train the condition model and export it to ONNX: `python -m models.condition.train`.

Penalty and calibration are cross-validated over contiguous blocks of time. The artefact is written
only if the graph agrees with the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from models.calibration import Calibration, calibration_metrics, fit_calibration
from models.condition.data import (
    SENSORS,
    TARGETS,
    Dataset,
    Floats,
    Labels,
    Rows,
    load,
)
from models.condition.export import to_onnx
from models.condition.features import Doubles, compute_features
from models.condition.levels import FitMoments, LevelModel, fit
from models.condition.signature import render_signature
from models.onnx_graph import ExportMismatch
from models.onnx_session import open_session
from models.training_data import write_artefact

ARTEFACT = Path(__file__).with_name("model.onnx")
# Number of cross-validation blocks. Blocks are short, so that the models behind the calibration are
# nearly as accurate as the final model: with ten blocks, probabilities were about .08 too low.
BLOCKS = 20
# Smaller penalties let the sensors' contributions cancel each other, so that reasons explain
# nothing.
PENALTIES = (0.001, 0.003, 0.01, 0.03)
EXPORT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The result of a training; `penalties` and `calibrations` have one entry for each target."""

    level: LevelModel
    penalties: tuple[float, ...]
    calibrations: tuple[Calibration, ...]
    model: ModelProto


@dataclass(frozen=True, slots=True)
class TargetPrediction:
    """The graph's output for one target: [cycles] each, the last two [cycles, REASON_COUNT]."""

    condition: NDArray[np.int64]
    probability: Floats
    reasons: NDArray[np.object_]
    contributions: Floats


def split_into_blocks(labels: Labels, count: int) -> list[Rows]:
    """Split cycles into about `count` contiguous blocks of time of similar length.

    A block ends where a condition changes, so that adjacent similar cycles are never in two blocks.
    labels: [cycles, targets].
    """
    changes = np.flatnonzero(np.any(np.diff(labels, axis=0) != 0, axis=1)) + 1
    even_cuts = np.arange(1, count) * len(labels) / count
    cuts = changes[np.abs(changes - even_cuts[:, np.newaxis]).argmin(axis=1)]
    return np.split(np.arange(len(labels)), np.unique(cuts))


def out_of_fold_scores(features: Doubles, labels: Labels) -> list[list[Doubles]]:
    """Return out-of-fold scores by penalty and target, [cycles, conditions] each.

    Each cycle is scored by a model that was fitted without its block.
    """
    scores_by_penalty = [
        [np.empty((len(labels), len(target.conditions))) for target in TARGETS] for _ in PENALTIES
    ]
    for test_block in split_into_blocks(labels, BLOCKS):
        training_rows = np.setdiff1d(np.arange(len(labels)), test_block)
        moments = FitMoments.compute(features[training_rows], labels[training_rows])
        for scores_by_target, penalty in zip(scores_by_penalty, PENALTIES, strict=True):
            model = fit(moments, (penalty,) * len(TARGETS))
            for scores, block_scores in zip(
                scores_by_target, model.scores(features[test_block]), strict=True
            ):
                scores[test_block] = block_scores
    return scores_by_penalty


def choose_penalty(scores: Sequence[Doubles], labels: Labels) -> tuple[float, Calibration]:
    """Return the penalty and calibration of one target with the lowest log loss.

    scores: out-of-fold scores of each penalty, [cycles, conditions]. labels: [cycles].
    """
    calibrations = [
        fit_calibration(scores_of_penalty, labels, fit_shifts=False) for scores_of_penalty in scores
    ]
    losses = [
        calibration_metrics(calibration.probabilities(scores_of_penalty), labels)["log_loss"]
        for calibration, scores_of_penalty in zip(calibrations, scores, strict=True)
    ]
    best = int(np.argmin(losses))
    return PENALTIES[best], calibrations[best]


def fit_and_calibrate(readings: Floats, labels: Labels) -> TrainedModel:
    """Choose the penalties, fit and calibrate the model, and build the graph.

    readings: [cycles, sensors, SECONDS]. labels: [cycles, targets].
    """
    features = compute_features(readings)
    by_target = zip(*out_of_fold_scores(features, labels), strict=True)
    chosen = [
        choose_penalty(scores, labels[:, target_index])
        for target_index, scores in enumerate(by_target)
    ]
    penalties = tuple(penalty for penalty, _ in chosen)
    calibrations = tuple(calibration for _, calibration in chosen)
    level = fit(FitMoments.compute(features, labels), penalties)
    return TrainedModel(
        level, penalties, calibrations, to_onnx(level, calibrations, render_signature(readings))
    )


def predict_probabilities(trained: TrainedModel, readings: Floats, target_index: int) -> Doubles:
    """Return the probabilities of one target in double precision, [cycles, conditions]."""
    scores = trained.level.scores(compute_features(readings))[target_index]
    return trained.calibrations[target_index].probabilities(scores)


def train(dataset: Dataset) -> TrainedModel:
    """Fit on all cycles and verify the graph.

    Raises ExportMismatch if graph and model differ on a cycle.
    """
    trained = fit_and_calibrate(dataset.readings, dataset.labels)
    predictions = predict_with_graph(trained.model.SerializeToString(), dataset.readings)
    for target_index, target in enumerate(TARGETS):
        expected = predict_probabilities(trained, dataset.readings, target_index).max(axis=1)
        difference = np.abs(predictions[target.name].probability - expected).max()
        if difference > EXPORT_TOLERANCE:
            raise ExportMismatch(
                f"The ONNX graph's {target.name} differs from the model's by {difference:.1e}."
            )
    return trained


def predict_with_graph(artefact: bytes, readings: Floats) -> dict[str, TargetPrediction]:
    """Run a serialized graph on readings [cycles, sensors, SECONDS]; return outputs by target."""
    feed = {name: readings[:, column] for column, name in enumerate(SENSORS)}
    suffixes = ("", "_probability", "_reasons", "_contributions")
    session = open_session(artefact)
    return {
        target.name: TargetPrediction(
            *session.run([f"{target.name}{suffix}" for suffix in suffixes], feed)
        )
        for target in TARGETS
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the artefact."""
    write_artefact(
        arguments, "Train the condition model and export it.", ARTEFACT, _train_and_summarize
    )


def _train_and_summarize(directory: Path) -> tuple[bytes, str]:
    """Train on the data set; return the artefact and a summary of the penalties."""
    trained = train(load(directory))
    summary = "strengths " + ", ".join(str(penalty) for penalty in trained.penalties)
    return trained.model.SerializeToString(deterministic=True), summary


if __name__ == "__main__":
    main()
