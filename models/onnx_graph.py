"""Build and read the ONNX artefacts of the trained specialists.

All artefacts share the operator sets, the IR version and the metadata key of the signature.
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
# Key of the signature's JSON in the artefact's metadata; serving reads it.
METADATA_KEY = "signature"


class ExportMismatch(RuntimeError):
    """The exported ONNX graph gives other results than the trained model."""


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
    """Build and check an ONNX model with its signature. The same parts give the same bytes.

    Raises onnx.checker.ValidationError.
    """
    initializers = [numpy_helper.from_array(array, key) for key, array in constants.items()]
    graph = helper.make_graph(list(nodes), name, list(inputs), list(outputs), initializers)
    model = helper.make_model(
        graph,
        producer_name=producer,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)],
    )
    helper.set_model_props(model, {METADATA_KEY: signature})
    onnx.checker.check_model(model, full_check=True)
    return model


def tensor_info(name: str, *dimensions: str | int, kind: int = TensorProto.FLOAT) -> ValueInfoProto:
    """Describe an input or output [batch, *dimensions]; a string is an axis of any length."""
    return helper.make_tensor_value_info(name, kind, [BATCH, *dimensions])


def read_constant(model: ModelProto, name: str) -> NDArray[np.generic]:
    """Return a constant of the graph by name. Raises StopIteration if it has none of that name."""
    stored = next(
        initializer for initializer in model.graph.initializer if initializer.name == name
    )
    return np.asarray(numpy_helper.to_array(stored))


def tree_ensemble_node(booster: lgb.Booster, source: str, outputs: Sequence[str]) -> NodeProto:
    """Convert a LightGBM booster to one node, from features `source` [batch, features].

    The converter's casts and identities behind the trees are dropped.
    """
    converted = convert_lightgbm(
        booster,
        name=outputs[0],
        initial_types=[(source, FloatTensorType([None, booster.num_feature()]))],
        target_opset=OPSET,
        zipmap=False,
    )
    return extract_tree_ensemble(converted, outputs[0], source, outputs)


def extract_tree_ensemble(
    converted: ModelProto, name: str, source: str, outputs: Sequence[str]
) -> NodeProto:
    """Take the tree ensemble node from a converted model and connect it to source and outputs."""
    node: NodeProto = next(
        node for node in converted.graph.node if node.op_type.startswith("TreeEnsemble")
    )
    del node.input[:], node.output[:]
    node.input.append(source)
    node.output.extend(outputs)
    node.name = name
    return node


def nan_guard_nodes(features: str) -> Iterator[NodeProto]:
    """Yield nodes that compute `row_nothing_or_nan` [batch, 1]: NaN for rows with NaN or infinity.

    It is 0 for other rows. Needs the constants `zero` and `axis_1`. Without it trees would send a
    NaN down some branch and still predict. Zero times NaN or infinity is NaN, so adding the result
    keeps valid predictions unchanged.
    """
    yield make("Mul", [features, "zero"], ["nothing_or_nan"])
    yield make("ReduceSum", ["nothing_or_nan", "axis_1"], ["row_nothing_or_nan"], keepdims=1)


def read_signature(session: ort.InferenceSession) -> Signature:
    """Read the signature from an artefact's metadata."""
    text = session.get_modelmeta().custom_metadata_map[METADATA_KEY]
    return msgspec.json.decode(text, type=Signature)
