"""The frame of an artefact: what the ONNX graphs of all learned specialists have in common.

Owns the operator sets, the container's version, the signature's place, taking trees out of the
converter and opening an artefact on one thread. Does not own any arithmetic (each model's
export.py) nor the words of a signature (signature.py).
"""

from collections.abc import Iterable, Mapping, Sequence

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

BATCH = "batch"
OPSET = 15
ML_DOMAIN = "ai.onnx.ml"
ML_OPSET = 3
# The first IR version that holds operator set 15: older edge runtimes read it too.
IR_VERSION = 8
# Where serving looks for the signature's JSON in the artefact's metadata.
METADATA_KEY = "signature"

Constants = Mapping[str, NDArray[np.generic]]

make = helper.make_node


def to_model(
    name: str,
    nodes: Iterable[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Constants,
    *,
    producer: str,
    signature: str,
) -> ModelProto:
    """A checked model with its signature. Same parts, same bytes.

    Raises onnx.checker.ValidationError where the parts do not fit together.
    """
    initial = [numpy_helper.from_array(array, key) for key, array in constants.items()]
    graph = helper.make_graph(list(nodes), name, list(inputs), list(outputs), initial)
    model = helper.make_model(
        graph,
        producer_name=producer,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)],
    )
    helper.set_model_props(model, {METADATA_KEY: signature})
    onnx.checker.check_model(model, full_check=True)
    return model


def value(name: str, *more: str | int, kind: int = TensorProto.FLOAT) -> ValueInfoProto:
    """An input or output [batch, *more]; a string is an axis of any length."""
    return helper.make_tensor_value_info(name, kind, [BATCH, *more])


def constant(model: ModelProto, name: str) -> NDArray[np.generic]:
    """A constant that the graph holds. Raises StopIteration where it holds none of the name."""
    stored = next(one for one in model.graph.initializer if one.name == name)
    return np.asarray(numpy_helper.to_array(stored))


def trees(booster: lgb.Booster, source: str, outputs: Sequence[str]) -> NodeProto:
    """The booster as one node, from features `source` [batch, features].

    What the converter puts behind the trees (casts and identities) is left to the graph.
    """
    converted = convert_lightgbm(
        booster,
        name=outputs[0],
        initial_types=[(source, FloatTensorType([None, booster.num_feature()]))],
        target_opset=OPSET,
        zipmap=False,
    )
    node: NodeProto = next(
        node for node in converted.graph.node if node.op_type.startswith("TreeEnsemble")
    )
    del node.input[:], node.output[:]
    node.input.append(source)
    node.output.extend(outputs)
    node.name = outputs[0]
    return node


def opened(artefact: bytes) -> ort.InferenceSession:
    """A serialised graph, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])
