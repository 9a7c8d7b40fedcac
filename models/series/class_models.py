"""Classifiers of windows: a linear one (ridge regression), or boosted trees (LightGBM)."""

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
from models.tabular.tree_graph import CONTRIBUTIONS, FEATURES, TreeGraph, build_tree_graph

# Features that vary less, in shares or standard deviations, would get weights without bounds.
_SMALLEST_SPREAD = 1e-3
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
    """Fit ridge regression on targets of 1 for a window's class and -1 for all others.

    Without windows of a class its weights are 0 and its score is the lowest.
    """
    centre = features.mean(axis=0)
    spread = np.maximum(features.std(axis=0), _SMALLEST_SPREAD)
    scaled = ((features - centre) / spread).astype(np.float64)
    targets = np.where(np.eye(count)[classes] > 0, 1.0, -1.0)
    base = targets.mean(axis=0)
    weights = _solve_ridge(scaled, targets - base, penalty) / spread[:, np.newaxis]
    return LinearModel(
        weights.T.astype(np.float32), centre.astype(np.float32), base.astype(np.float32)
    )


def fit_trees(features: Features, classes: Indices, count: int, threads: int) -> TreeModel:
    """Fit boosted trees."""
    parameters = {**_TREES, "num_class": count, "num_threads": threads}
    return TreeModel(lgb.train(parameters, lgb.Dataset(features, classes), _ROUNDS))


def _solve_ridge(inputs: Floats, targets: Floats, penalty: float) -> Floats:
    """Return the ridge weights, [features, targets], from the smaller of the two systems."""
    rows, features = inputs.shape
    if features <= rows:
        normal = inputs.T @ inputs + penalty * np.eye(features)
        return np.asarray(solve(normal, inputs.T @ targets, assume_a="pos"))
    gram = inputs @ inputs.T + penalty * np.eye(rows)
    return np.asarray(inputs.T @ solve(gram, targets, assume_a="pos"))
