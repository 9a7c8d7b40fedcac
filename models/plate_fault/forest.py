"""Convert a scikit-learn forest to an ONNX node."""

import numpy as np
from onnx import NodeProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import ExtraTreesClassifier

from models.onnx_graph import ML_DOMAIN, ML_OPSET, OPSET, extract_tree_ensemble


def forest_node(classifier: ExtraTreesClassifier, source: str, output: str) -> NodeProto:
    """Convert a forest's class probabilities to one ONNX node.

    Inputs are features `source` [rows, features]; `output` is FLOAT [rows, classes].
    """
    converted = convert_sklearn(
        classifier,
        initial_types=[(source, FloatTensorType([None, classifier.n_features_in_]))],
        target_opset={"": OPSET, ML_DOMAIN: ML_OPSET},
        options={"zipmap": False},
    )
    node = extract_tree_ensemble(converted, output, source, [f"{output}_vote", output])
    _drop_zero_weights(node)
    return node


def _drop_zero_weights(node: NodeProto) -> None:
    """Remove zero class weights: the converter writes all classes for each leaf, most have one."""
    by_name = {item.name: item for item in node.attribute if item.name.startswith("class_")}
    nonzero = np.flatnonzero(np.array(by_name["class_weights"].floats))
    for name in ("class_treeids", "class_nodeids", "class_ids", "class_weights"):
        attribute = by_name[name]
        values = attribute.floats if attribute.floats else attribute.ints
        remaining = [values[index] for index in nonzero]
        del values[:]
        values.extend(remaining)
