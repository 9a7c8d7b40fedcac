"""The frame of an artefact: what the ONNX graphs of all learned specialists have in common.

Owns the operator sets, the container's version, the signature's place, taking trees out of a
converter, what becomes of a NaN, and opening an artefact on one thread.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import lightgbm as lgb
import msgspec
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from models.signature import Signature

BATCH = "batch"
OPSET = 15
ML_DOMAIN = "ai.onnx.ml"
ML_OPSET = 3
# The first IR version that holds operator set 15: older edge runtimes read it too.
IR_VERSION = 8
# Where serving looks for the signature's JSON in the artefact's metadata.
METADATA_KEY = "signature"


class ExportDisagrees(RuntimeError):
    """The ONNX graph answers differently from the model that it was made from."""


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
    return ensemble(converted, outputs[0], source, outputs)


def ensemble(converted: ModelProto, name: str, source: str, outputs: Sequence[str]) -> NodeProto:
    """The trees of what a converter made, put between `source` and `outputs`."""
    node: NodeProto = next(
        node for node in converted.graph.node if node.op_type.startswith("TreeEnsemble")
    )
    del node.input[:], node.output[:]
    node.input.append(source)
    node.output.extend(outputs)
    node.name = name
    return node


def nothing_or_nan(features: str) -> Iterator[NodeProto]:
    """`row_nothing_or_nan` [batch, 1]: NaN where one of a row's `features` [batch, features] is NaN
    or infinite, else 0. Wants the constants `zero` and `axis_1`.

    Trees send a NaN down some branch and answer all the same. Zero times a NaN or an infinity is
    NaN, and zero times anything else adds nothing.
    """
    yield make("Mul", [features, "zero"], ["nothing_or_nan"])
    yield make("ReduceSum", ["nothing_or_nan", "axis_1"], ["row_nothing_or_nan"], keepdims=1)


def opened(artefact: bytes) -> ort.InferenceSession:
    """A serialised graph, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])


def signature_of(session: ort.InferenceSession) -> Signature:
    """What an artefact of ours says of itself."""
    text = session.get_modelmeta().custom_metadata_map[METADATA_KEY]
    return msgspec.json.decode(text, type=Signature)
