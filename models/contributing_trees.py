"""Decision trees whose leaves output the contribution of each feature to the prediction.

Each split on the way to a leaf changes the mean of the training rows in the node; the change is
attributed to the split's feature (Saabas 2014). A leaf holds one weight per feature of its path.
The contributions and the base sum exactly to the booster's raw score, and one pass through the
trees returns prediction and reasons.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from models.onnx_graph import ML_DOMAIN, make

Tree = Mapping[str, Any]
"""A node of LightGBM's model dump with its subtree."""

Attributes = dict[str, list[Any]]
"""Attributes of the ONNX tree ensemble node, extended tree by tree."""


@dataclass(frozen=True, slots=True)
class ContributingTrees:
    """A tree ensemble node that outputs feature contributions, [batch, classes × features].

    A class's features are adjacent; binary objectives and regressions have one class. `base`,
    [classes], is the raw score before any split.
    """

    node: NodeProto
    base: NDArray[np.float64]


def build_contributing_trees(booster: lgb.Booster, source: str, output: str) -> ContributingTrees:
    """Convert a booster to one ONNX node that outputs feature contributions.

    The node reads `source`, FLOAT [batch, features], and writes `output`, FLOAT
    [batch, classes × features]. Raises ValueError for categorical splits.
    """
    dump = booster.dump_model()
    classes, features = dump["num_tree_per_iteration"], booster.num_feature()
    base = np.zeros(classes)
    attributes: Attributes = defaultdict(list)
    for number, tree in enumerate(tree_info["tree_structure"] for tree_info in dump["tree_info"]):
        base[number % classes] += _mean_value(tree)
        if not _is_leaf(tree):
            _add_tree(attributes, number, number % classes * features, tree, 0, {})
    return ContributingTrees(
        _ensemble_node([source], [output], classes * features, attributes), base
    )


def combine_ensembles(parts: Sequence[tuple[float, ContributingTrees]]) -> ContributingTrees:
    """Combine weighted ensembles on the same features into one node that outputs their sum.

    Raises ValueError if their numbers of targets differ.
    """
    attributes: Attributes = defaultdict(list)
    targets, count = set(), 0
    for weight, part in parts:
        attribute_values = {
            item.name: helper.get_attribute_value(item) for item in part.node.attribute
        }
        targets.add(attribute_values.pop("n_targets"))
        first_tree = count
        for name, values in attribute_values.items():
            if name.endswith("treeids"):
                values = [first_tree + number for number in values]
                count = max(count, 1 + max(values))
            elif name == "target_weights":
                values = [weight * item for item in values]
            attributes[name].extend(values)
    if len(targets) > 1:
        raise ValueError(f"The ensembles have different numbers of targets: {sorted(targets)}.")
    source, output = parts[0][1].node.input, parts[0][1].node.output
    base = np.sum([weight * part.base for weight, part in parts], axis=0)
    return ContributingTrees(_ensemble_node(source, output, targets.pop(), attributes), base)


def _ensemble_node(
    source: Sequence[str], output: Sequence[str], targets: int, attributes: Attributes
) -> NodeProto:
    """Create the ONNX tree ensemble node."""
    node = make("TreeEnsembleRegressor", source, output, name=output[0], domain=ML_DOMAIN)
    for name, values in {"n_targets": targets, **attributes}.items():
        node.attribute.append(helper.make_attribute(name, values))
    return node


def _add_tree(
    attributes: Attributes,
    tree_number: int,
    first_target: int,
    tree: Tree,
    node_id: int,
    path: Mapping[int, float],
) -> None:
    """Add a tree's nodes, depth first, starting with the id `node_id`."""
    if _is_leaf(tree):
        _add_node(attributes, tree_number, node_id, "LEAF")
        for feature, weight in path.items():
            attributes["target_treeids"].append(tree_number)
            attributes["target_nodeids"].append(node_id)
            attributes["target_ids"].append(first_target + feature)
            attributes["target_weights"].append(weight)
        return
    if tree["decision_type"] != "<=":
        raise ValueError("Splits by categories are not supported.")
    feature, left, right = tree["split_feature"], tree["left_child"], tree["right_child"]
    child_ids = (node_id + 1, node_id + 1 + _node_count(left))
    _add_node(
        attributes, tree_number, node_id, "BRANCH_LEQ", feature, _float32_threshold(tree), child_ids
    )
    for child, child_id in zip((left, right), child_ids, strict=True):
        step = _mean_value(child) - _mean_value(tree)
        child_path = {**path, feature: path.get(feature, 0.0) + step}
        _add_tree(attributes, tree_number, first_target, child, child_id, child_path)


def _add_node(
    attributes: Attributes,
    tree_number: int,
    node_id: int,
    mode: str,
    feature: int = 0,
    limit: float = 0.0,
    child_ids: tuple[int, int] = (0, 0),
) -> None:
    """Append one tree node to the ONNX attributes."""
    attributes["nodes_treeids"].append(tree_number)
    attributes["nodes_nodeids"].append(node_id)
    attributes["nodes_modes"].append(mode)
    attributes["nodes_featureids"].append(feature)
    attributes["nodes_values"].append(limit)
    attributes["nodes_truenodeids"].append(child_ids[0])
    attributes["nodes_falsenodeids"].append(child_ids[1])


def _float32_threshold(tree: Tree) -> float:
    """Return a node's split threshold, rounded down to single precision.

    For float32 values, comparing with the rounded-down threshold gives the same result; the nearest
    float32 might be above the threshold and let a larger value pass.
    """
    limit = float(tree["threshold"])
    nearest = np.float32(limit)
    # Compared as Python floats: NumPy would first round the threshold to single precision.
    return float(nearest if float(nearest) <= limit else np.nextafter(nearest, -np.float32("inf")))


def _is_leaf(tree: Tree) -> bool:
    """Return whether a node of LightGBM's dump is a leaf."""
    return "leaf_value" in tree


def _node_count(tree: Tree) -> int:
    """Return the number of nodes of a tree."""
    return (
        1
        if _is_leaf(tree)
        else 1 + _node_count(tree["left_child"]) + _node_count(tree["right_child"])
    )


def _mean_value(tree: Tree) -> float:
    """Return the mean of the leaves' values, weighted by training rows."""
    if _is_leaf(tree):
        return float(tree["leaf_value"])
    left, right = tree["left_child"], tree["right_child"]
    share = _row_count(left) / (_row_count(left) + _row_count(right))
    return share * _mean_value(left) + (1 - share) * _mean_value(right)


def _row_count(tree: Tree) -> int:
    """Return the number of training rows in a node."""
    return int(tree["leaf_count"] if _is_leaf(tree) else tree["internal_count"])
