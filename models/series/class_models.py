"""Classifiers of windows: linear discriminants, or boosted trees (LightGBM)."""

from dataclasses import dataclass
from typing import Protocol

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper
from scipy.linalg import solve

from models.onnx_graph import Constants, make, tensor_info, to_model
from models.series.series import Floats, Indices
from models.series.window_features import Features
from models.tabular.boosting import class_scores, raw_scores
from models.tabular.tree_graph import TreeGraph, build_tree_graph
from models.tabular.tree_session import CONTRIBUTIONS, FEATURES

# Features that vary less, in shares or standard deviations, would get weights without bounds.
SMALLEST_SPREAD = 1e-3
# The score of a class that training lacks: far below all others.
ABSENT_SCORE = -1e3
_ROUNDS = 60
_TREES = {
    "objective": "multiclass",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 5,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "use_missing": False,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "seed": 7,
}


class ClassModel(Protocol):
    """A fitted classifier."""

    def scores(self, features: Features) -> Floats:
        """Return the score of each class, [windows, classes]."""
        ...

    def graph(self) -> TreeGraph:
        """Return the ONNX graph of the features' contributions to the scores."""
        ...


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Scores are weights · (features - centre) + base, weights [classes, features]."""

    weights: NDArray[np.float32]
    centre: NDArray[np.float32]
    base: NDArray[np.float32]

    def scores(self, features: Features) -> Floats:
        """Return the score of each class, [windows, classes]."""
        return np.asarray((features - self.centre) @ self.weights.T + self.base, dtype=np.float64)

    def graph(self) -> TreeGraph:
        """Return the ONNX graph: each feature's deviation times each class's weight."""
        classes, features = self.weights.shape
        nodes = [
            make("Sub", [FEATURES, "centre"], ["deviations"]),
            make("Unsqueeze", ["deviations", "class_axis"], ["by_window"]),
            make("Mul", ["by_window", "weights"], ["by_class"]),
            make("Reshape", ["by_class", "flat"], [CONTRIBUTIONS]),
        ]
        output = helper.make_tensor_value_info(
            CONTRIBUTIONS, TensorProto.FLOAT, ["batch", classes * features]
        )
        constants: Constants = {
            "centre": self.centre[np.newaxis],
            "weights": self.weights[np.newaxis],
            "class_axis": np.array([1], dtype=np.int64),
            "flat": np.array([-1, classes * features], dtype=np.int64),
        }
        graph = to_model(
            "linear",
            nodes,
            [tensor_info(FEATURES, features)],
            [output],
            constants,
            producer="models.series",
            signature="",
        )
        return TreeGraph(graph.SerializeToString(), tuple(float(value) for value in self.base))


@dataclass(frozen=True, slots=True)
class TreeModel:
    """Boosted trees."""

    booster: lgb.Booster

    def scores(self, features: Features) -> Floats:
        """Return the score of each class, [windows, classes]."""
        return class_scores(raw_scores(self.booster, features))

    def graph(self) -> TreeGraph:
        """Return the ONNX graph of the trees' contributions."""
        return build_tree_graph(self.booster, "models.series")


def fit_linear(features: Features, classes: Indices, count: int, penalty: float) -> LinearModel:
    """Fit linear discriminants with a penalty on the covariance within classes.

    Ridge regression on class indicators would mask classes that lie between others, such as levels
    of wear. A class without windows gets the lowest score.
    """
    centre = features.mean(axis=0)
    spread = np.maximum(features.std(axis=0), SMALLEST_SPREAD)
    scaled = ((features - centre) / spread).astype(np.float64)
    present = np.bincount(classes, minlength=count) > 0
    means = np.zeros((count, scaled.shape[1]))
    for number in np.flatnonzero(present):
        means[number] = scaled[classes == number].mean(axis=0)
    weights = _solve_within(scaled - means[classes], means.T, penalty)
    base = np.where(present, -0.5 * np.sum(means * weights.T, axis=1), ABSENT_SCORE)
    return LinearModel(
        (weights / spread[:, np.newaxis]).T.astype(np.float32),
        centre.astype(np.float32),
        base.astype(np.float32),
    )


def fit_trees(features: Features, classes: Indices, count: int, threads: int) -> TreeModel:
    """Fit boosted trees."""
    parameters = {**_TREES, "num_class": count, "num_threads": threads}
    return TreeModel(lgb.train(parameters, lgb.Dataset(features, classes), _ROUNDS))


def _solve_within(deviations: Floats, means: Floats, penalty: float) -> Floats:
    """Return (covariance + penalty)⁻¹ · means, [features, classes], by the smaller of two systems.

    deviations: of rows from their class's mean, [rows, features].
    """
    rows, features = deviations.shape
    if features <= rows:
        covariance = deviations.T @ deviations / rows + penalty * np.eye(features)
        return np.asarray(solve(covariance, means, assume_a="pos"))
    gram = deviations @ deviations.T + rows * penalty * np.eye(rows)
    inner = solve(gram, deviations @ means, assume_a="pos")
    return np.asarray((means - deviations.T @ inner) / penalty)
