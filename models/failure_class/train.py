"""Train the failure classifier and export it to ONNX: `python -m models.failure_class.train`.

The artefact is written only if its graph reproduces the trees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import lightgbm as lgb
import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve
from sklearn.model_selection import StratifiedKFold

from models.calibration import Calibration, FloatArray, fit_calibration
from models.failure_class.data import (
    Dataset,
    Flags,
    Floats,
    OperatingPoints,
    load,
)
from models.failure_class.export import DecisionRule, to_onnx
from models.failure_class.features import MONOTONE_CONSTRAINTS, compute_features
from models.failure_class.signature import build_signature
from models.onnx_graph import ExportMismatch
from models.onnx_session import open_session
from models.training_data import write_artefact

ARTEFACT = Path(__file__).with_name("model.onnx")
SEED = 2020
FOLDS = 5
RULE_REPEATS = 3
ROUNDS = 100
# Failures begin at sharp limits, which the usual 255 bins blur: one bin per distinct value raised
# out-of-fold F1 from about .83 to .88.
PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "objective": "binary",
        "learning_rate": 0.1,
        "num_leaves": 15,
        "min_data_in_leaf": 10,
        "max_bin": 2047,
        "min_data_in_bin": 1,
        "monotone_constraints": tuple(MONOTONE_CONSTRAINTS.values()),
        "seed": SEED,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
)
# Trees in double and in single precision differ in the seventh decimal; a split that flipped in
# the conversion differs in the second.
EXPORT_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The trained booster, its decision rule and the exported ONNX model."""

    booster: lgb.Booster
    rule: DecisionRule
    model: onnx.ModelProto


@dataclass(frozen=True, slots=True)
class Predictions:
    """The graph's outputs: [N] probability and failure, [N, TOLD] reasons and contributions."""

    probability: Floats
    failure: NDArray[np.int64]
    reasons: NDArray[np.object_]
    contributions: Floats


def fit(features: Floats, failed: Flags) -> lgb.Booster:
    """Fit gradient-boosted trees on features [N, 7] and labels [N]."""
    label = failed.astype(np.float32)
    data = lgb.Dataset(features, label=label, feature_name=list(MONOTONE_CONSTRAINTS))
    return lgb.train(dict(PARAMETERS), data, num_boost_round=ROUNDS)


def log_odds(booster: lgb.Booster, features: Floats) -> FloatArray:
    """Return the trees' uncalibrated log-odds of failure, [N], in double precision."""
    return np.asarray(booster.predict(features, raw_score=True), dtype=np.float64)


def predict(booster: lgb.Booster, rule: DecisionRule, features: Floats) -> FloatArray:
    """Return the calibrated probability of failure, [N], in double precision."""
    return _calibrated_probability(rule.calibration, log_odds(booster, features))


def out_of_fold(features: Floats, failed: Flags, seed: int) -> FloatArray:
    """Return out-of-fold log-odds of failure, [N], from a stratified cross-validation."""
    predicted = np.empty(len(failed))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for train_rows, test_rows in folds.split(features, failed):
        predicted[test_rows] = log_odds(
            fit(features[train_rows], failed[train_rows]), features[test_rows]
        )
    return predicted


def fit_decision_rule(features: Floats, failed: Flags) -> DecisionRule:
    """Fit calibration and threshold on out-of-fold log-odds, pooled over several splits.

    The trees are overconfident on unseen rows: the slope is .80 to .86. A single split leaves the
    threshold to chance: of 10,000 rows some 60 lie between .2 and .8, and single splits gave
    .35, .38 and .48.
    """
    seeds = range(SEED, SEED + RULE_REPEATS)
    pooled = np.concatenate([out_of_fold(features, failed, seed) for seed in seeds])
    labels = np.tile(failed, RULE_REPEATS)
    calibration = fit_calibration(_two_class_scores(pooled), labels.astype(np.intp))
    return DecisionRule(
        calibration, best_f1_threshold(labels, _calibrated_probability(calibration, pooled))
    )


def best_f1_threshold(failed: Flags, probability: FloatArray) -> np.float32:
    """Return the threshold of the best F1.

    It is half way between the lowest probability that counts as a failure and the next lower one.
    """
    precision, recall, thresholds = precision_recall_curve(failed, probability)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    lowest = thresholds[np.argmax(f1[:-1])]
    below = probability[probability < lowest]
    return np.float32((lowest + below.max(initial=0.0)) / 2)


def train(dataset: Dataset) -> TrainedModel:
    """Fit the model on the whole data set and check its ONNX graph.

    Raises ExportDisagrees if graph and trees differ on a row of the data set.
    """
    trained = fit_model(dataset.points, dataset.failed)
    probability = run_artefact(trained.model.SerializeToString(), dataset.points).probability
    expected = predict(trained.booster, trained.rule, compute_features(dataset.points))
    if not np.allclose(probability, expected, rtol=0, atol=EXPORT_TOLERANCE):
        raise ExportMismatch("The ONNX graph does not reproduce the trained trees.")
    return trained


def fit_model(points: OperatingPoints, failed: Flags) -> TrainedModel:
    """Fit trees and decision rule on N labelled operating points, and build the ONNX graph."""
    features = compute_features(points)
    booster, rule = fit(features, failed), fit_decision_rule(features, failed)
    return TrainedModel(
        booster, rule, to_onnx(booster, rule, build_signature(points, float(rule.threshold)))
    )


def run_artefact(artefact: bytes, points: OperatingPoints) -> Predictions:
    """Return the predictions of a serialised graph for N operating points, on one thread."""
    outputs = ("failure_probability", "failure", "reasons", "contributions")
    return Predictions(*open_session(artefact).run(list(outputs), points.input_feed()))


def _calibrated_probability(calibration: Calibration, log_odds: FloatArray) -> FloatArray:
    """Return the calibrated probability of failure, [N], of log-odds [N]."""
    return calibration.probabilities(_two_class_scores(log_odds))[:, 1]


def _two_class_scores(log_odds: FloatArray) -> FloatArray:
    """Return log-odds [N] as one score for each class, [N, 2]."""
    return np.stack([np.zeros_like(log_odds), log_odds], axis=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the model and write the artefact."""
    write_artefact(
        arguments, "Train the failure class model and export it.", ARTEFACT, _train_artefact
    )


def _train_artefact(directory: Path) -> tuple[bytes, str]:
    """Train on the data in `directory`; return the artefact and a summary."""
    trained = train(load(directory))
    summary = f"threshold {trained.rule.threshold}"
    return trained.model.SerializeToString(deterministic=True), summary


if __name__ == "__main__":
    main()
