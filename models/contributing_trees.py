"""Trees that say which feature moved the answer: each leaf's value, split along its own path.

Each question on the way to a leaf moves the mean of the training rows that are still there; that
step belongs to the feature asked (Saabas 2014). A leaf thus holds one weight for each feature of
its path, and the sum over the trees is exact: base and contributions together are the booster's
raw score. As it hangs on the leaf alone, one pass through the trees gives answer and reasons.
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
"""A node of LightGBM's dump with all that is below it."""

Attributes = dict[str, list[Any]]
"""Of the ONNX node, as they grow tree by tree."""


@dataclass(frozen=True, slots=True)
class ContributingTrees:
    """`node` gives [batch, classes × features], a class's features side by side; one class where
    the objective is binary or a regression. `base`, [classes], is the raw score before any
    question."""

    node: NodeProto
    base: NDArray[np.float64]


def contributing_trees(booster: lgb.Booster, source: str, output: str) -> ContributingTrees:
    """The booster as one node, from features `source` FLOAT [batch, features] to `output`.

    Raises ValueError where the trees ask for categories.
    """
    dump = booster.dump_model()
    classes, features = dump["num_tree_per_iteration"], booster.num_feature()
    base = np.zeros(classes)
    attributes: Attributes = defaultdict(list)
    for number, tree in enumerate(one["tree_structure"] for one in dump["tree_info"]):
        base[number % classes] += _mean(tree)
        if not _is_leaf(tree):
            _grow(attributes, number, number % classes * features, tree, 0, {})
    return ContributingTrees(_node([source], [output], classes * features, attributes), base)


def joined(parts: Sequence[tuple[float, ContributingTrees]]) -> ContributingTrees:
    """Several ensembles on the same features as one node: the sum of each times its weight.

    Raises ValueError where they have not equally many targets.
    """
    attributes: Attributes = defaultdict(list)
    targets, count = set(), 0
    for weight, part in parts:
        own = {one.name: helper.get_attribute_value(one) for one in part.node.attribute}
        targets.add(own.pop("n_targets"))
        first = count
        for name, values in own.items():
            if name.endswith("treeids"):
                values = [first + number for number in values]
                count = max(count, 1 + max(values))
            elif name == "target_weights":
                values = [weight * one for one in values]
            attributes[name].extend(values)
    if len(targets) > 1:
        raise ValueError(f"The ensembles have {targets} targets.")
    source, output = parts[0][1].node.input, parts[0][1].node.output
    base = np.sum([weight * part.base for weight, part in parts], axis=0)
    return ContributingTrees(_node(source, output, targets.pop(), attributes), base)


def _node(
    source: Sequence[str], output: Sequence[str], targets: int, attributes: Attributes
) -> NodeProto:
    node = make("TreeEnsembleRegressor", source, output, name=output[0], domain=ML_DOMAIN)
    for name, values in {"n_targets": targets, **attributes}.items():
        node.attribute.append(helper.make_attribute(name, values))
    return node


def _grow(
    attributes: Attributes,
    number: int,
    first_target: int,
    tree: Tree,
    at: int,
    path: Mapping[int, float],
) -> None:
    """Add `tree`, whose root has the place `at`; the places of a tree follow its parent's."""
    if _is_leaf(tree):
        _add_node(attributes, number, at, "LEAF")
        for feature, weight in path.items():
            attributes["target_treeids"].append(number)
            attributes["target_nodeids"].append(at)
            attributes["target_ids"].append(first_target + feature)
            attributes["target_weights"].append(weight)
        return
    if tree["decision_type"] != "<=":
        raise ValueError("Trees that ask for categories have no such node.")
    feature, left, right = tree["split_feature"], tree["left_child"], tree["right_child"]
    places = (at + 1, at + 1 + _size(left))
    _add_node(attributes, number, at, "BRANCH_LEQ", feature, _rounded_down(tree), places)
    for child, place in zip((left, right), places, strict=True):
        step = _mean(child) - _mean(tree)
        longer = {**path, feature: path.get(feature, 0.0) + step}
        _grow(attributes, number, first_target, child, place, longer)


def _add_node(
    attributes: Attributes,
    number: int,
    at: int,
    mode: str,
    feature: int = 0,
    limit: float = 0.0,
    places: tuple[int, int] = (0, 0),
) -> None:
    attributes["nodes_treeids"].append(number)
    attributes["nodes_nodeids"].append(at)
    attributes["nodes_modes"].append(mode)
    attributes["nodes_featureids"].append(feature)
    attributes["nodes_values"].append(limit)
    attributes["nodes_truenodeids"].append(places[0])
    attributes["nodes_falsenodeids"].append(places[1])


def _rounded_down(tree: Tree) -> float:
    """The limit in single precision. A value in single precision is at most the limit just where it
    is at most the greatest such number that is; the nearest one might lie above and let it pass."""
    limit = float(tree["threshold"])
    nearest = np.float32(limit)
    # Compared as Python's floats: NumPy would round the limit to single precision first.
    return float(nearest if float(nearest) <= limit else np.nextafter(nearest, -np.float32("inf")))


def _is_leaf(tree: Tree) -> bool:
    return "leaf_value" in tree


def _size(tree: Tree) -> int:
    return 1 if _is_leaf(tree) else 1 + _size(tree["left_child"]) + _size(tree["right_child"])


def _mean(tree: Tree) -> float:
    """Of the leaves' values, by the training rows in each."""
    if _is_leaf(tree):
        return float(tree["leaf_value"])
    left, right = tree["left_child"], tree["right_child"]
    share = _rows(left) / (_rows(left) + _rows(right))
    return share * _mean(left) + (1 - share) * _mean(right)


def _rows(tree: Tree) -> int:
    return int(tree["leaf_count"] if _is_leaf(tree) else tree["internal_count"])
