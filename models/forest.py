"""A forest of scikit-learn's as one ONNX node."""

import numpy as np
from onnx import NodeProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import ExtraTreesClassifier

from models.onnx_graph import ML_DOMAIN, ML_OPSET, OPSET, ensemble


def forest(classifier: ExtraTreesClassifier, source: str, output: str) -> NodeProto:
    """A forest's share of votes as one node, from features `source` [rows, features] to `output`
    FLOAT [rows, classes]."""
    converted = convert_sklearn(
        classifier,
        initial_types=[(source, FloatTensorType([None, classifier.n_features_in_]))],
        target_opset={"": OPSET, ML_DOMAIN: ML_OPSET},
        options={"zipmap": False},
    )
    node = ensemble(converted, output, source, [f"{output}_vote", output])
    _drop_zero_weights(node)
    return node


def _drop_zero_weights(node: NodeProto) -> None:
    """Of each leaf the converter writes the weight of every class; most leaves hold one class."""
    by_name = {one.name: one for one in node.attribute if one.name.startswith("class_")}
    kept = np.flatnonzero(np.array(by_name["class_weights"].floats))
    for name in ("class_treeids", "class_nodeids", "class_ids", "class_weights"):
        attribute = by_name[name]
        values = attribute.floats if attribute.floats else attribute.ints
        left = [values[at] for at in kept]
        del values[:]
        values.extend(left)
