"""Boosted trees as an ONNX graph of contributions, and the check that it scores as they do."""

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from onnx import TensorProto, helper

from models.contributing_trees import build_contributing_trees
from models.onnx_graph import ExportMismatch, tensor_info, to_model
from models.tabular.data import Floats
from models.tabular.encoding import Features
from models.tabular.tree_session import CONTRIBUTIONS, FEATURES, run_trees

# The largest difference of scores between LightGBM and the exported graph, in parts of their range.
_EXPORT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class TreeGraph:
    """An ONNX model, [batch, features] to [batch, scores × features].

    base: raw score of each class (one for numbers and two classes) before any split.
    """

    model: bytes
    base: tuple[float, ...]


def build_tree_graph(booster: lgb.Booster, producer: str) -> TreeGraph:
    """Return the graph of a booster's contributions."""
    trees = build_contributing_trees(booster, FEATURES, CONTRIBUTIONS)
    features = booster.num_feature()
    output = helper.make_tensor_value_info(
        CONTRIBUTIONS, TensorProto.FLOAT, ["batch", len(trees.base) * features]
    )
    graph = to_model(
        "trees",
        [trees.node],
        [tensor_info(FEATURES, features)],
        [output],
        {},
        producer=producer,
        signature="",
    )
    return TreeGraph(graph.SerializeToString(), tuple(float(value) for value in trees.base))


def require_same_scores(
    session: Any, expected: Floats, features: Features, base: tuple[float, ...]
) -> None:
    """Raise ExportMismatch if a graph does not score rows as the trained model does.

    expected: the model's scores, [rows] or [rows, scores].
    """
    expected = expected.reshape(len(features), -1)
    found = run_trees(session, features, len(base)).sum(axis=2) + np.array(base)
    limit = _EXPORT_TOLERANCE * max(1.0, float(np.ptp(expected)))
    if float(np.abs(found - expected).max()) > limit:
        raise ExportMismatch("The exported graph gives other scores than the trained model.")
