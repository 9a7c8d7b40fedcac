"""The artefact: raw columns in, probability and decision out, as one ONNX graph.

Owns the graph. The feature arithmetic of features.py is repeated here as ONNX nodes, so that any
runtime takes a machine's readings as they are. Does not own what is learned (train.py) nor the
words of the signature (signature.py).
"""

import lightgbm as lgb
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from models.failure_class.data import QUANTITY_COLUMNS
from models.failure_class.features import (
    DIRECTIONS,
    GRADES,
    RADIANS_PER_SECOND_PER_RPM,
    STEPS_PER_KELVIN,
)
from models.failure_class.signature import METADATA_KEY, NOT_APPLICABLE

BATCH = "batch"
THRESHOLD = "threshold"
OPSET = 15
ML_DOMAIN = "ai.onnx.ml"
ML_OPSET = 3
# The first IR version that holds operator set 15: older edge runtimes read it too.
IR_VERSION = 8


def to_onnx(booster: lgb.Booster, threshold: np.float32, signature: str) -> onnx.ModelProto:
    """The trained trees between feature nodes and decision nodes.

    Inputs of shape [batch]: `type` STRING and the five quantities FLOAT. Outputs of shape
    [batch]: `failure_probability` FLOAT and `failure` INT64. Same booster, same bytes.
    """
    graph = helper.make_graph(
        [*_feature_nodes(), _trees(booster), *_decision_nodes()],
        "failure_class",
        [_column("type", TensorProto.STRING)]
        + [_column(name, TensorProto.FLOAT) for name in QUANTITY_COLUMNS],
        [_column("failure_probability", TensorProto.FLOAT), _column("failure", TensorProto.INT64)],
        [numpy_helper.from_array(value, name) for name, value in _constants(threshold).items()],
    )
    model = helper.make_model(
        graph,
        producer_name="models.failure_class",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)],
    )
    helper.set_model_props(model, {METADATA_KEY: signature})
    onnx.checker.check_model(model, full_check=True)
    return model


def threshold_of(model: onnx.ModelProto) -> np.float32:
    """The decision threshold that the graph holds."""
    stored = next(item for item in model.graph.initializer if item.name == THRESHOLD)
    return np.float32(numpy_helper.to_array(stored))


def _column(name: str, kind: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [BATCH])


def _constants(threshold: np.float32) -> dict[str, NDArray[np.generic]]:
    return {
        THRESHOLD: np.array(threshold, dtype=np.float32),
        "steps_per_kelvin": np.array(STEPS_PER_KELVIN, dtype=np.float32),
        "radians_per_second_per_rpm": np.array(RADIANS_PER_SECOND_PER_RPM, dtype=np.float32),
        "zero": np.array(0, dtype=np.float32),
        "one": np.array(1, dtype=np.int64),
        "axis_1": np.array([1], dtype=np.int64),
        "not_applicable": np.array(NOT_APPLICABLE, dtype=np.int64),
    }


def _feature_nodes() -> list[NodeProto]:
    make = helper.make_node
    names = list(DIRECTIONS)
    return [
        _grade_node(),
        make("Sub", ["process_temperature", "air_temperature"], ["difference"]),
        make("Mul", ["difference", "steps_per_kelvin"], ["difference_in_steps"]),
        make("Round", ["difference_in_steps"], ["whole_steps"]),
        make("Div", ["whole_steps", "steps_per_kelvin"], ["temperature_difference"]),
        make("Mul", ["torque", "rotational_speed"], ["torque_by_speed"]),
        make("Mul", ["torque_by_speed", "radians_per_second_per_rpm"], ["exact_power"]),
        make("Round", ["exact_power"], ["power"]),
        make("Mul", ["tool_wear", "torque"], ["exact_strain"]),
        make("Round", ["exact_strain"], ["strain"]),
        *(make("Unsqueeze", [name, "axis_1"], [f"{name}_column"]) for name in names),
        make("Concat", [f"{name}_column" for name in names], ["features"], axis=1),
    ]


def _grade_node() -> NodeProto:
    return helper.make_node(
        "LabelEncoder",
        ["type"],
        ["grade"],
        domain=ML_DOMAIN,
        keys_strings=list(GRADES),
        values_floats=list(GRADES.values()),
        # An unknown type must not pass for one of the known.
        default_float=float("nan"),
    )


def _trees(booster: lgb.Booster) -> NodeProto:
    converted = convert_lightgbm(
        booster,
        name="trees",
        initial_types=[("features", FloatTensorType([None, len(DIRECTIONS)]))],
        target_opset=OPSET,
        zipmap=False,
    )
    # What the converter puts behind the trees (casts and identities) this graph does itself.
    trees: NodeProto = next(
        node for node in converted.graph.node if node.op_type == "TreeEnsembleClassifier"
    )
    del trees.input[:], trees.output[:]
    trees.input.append("features")
    trees.output.extend(["most_likely_class", "class_probabilities"])
    return trees


def _decision_nodes() -> list[NodeProto]:
    make = helper.make_node
    return [
        make("Gather", ["class_probabilities", "one"], ["tree_probability"], axis=1),
        # Trees send a NaN down some branch and answer all the same. Zero times a NaN or an
        # infinity is NaN, and zero times anything else adds nothing.
        make("Mul", ["features", "zero"], ["nothing_or_nan"]),
        make("ReduceSum", ["nothing_or_nan", "axis_1"], ["row_nothing_or_nan"], keepdims=0),
        make("Add", ["tree_probability", "row_nothing_or_nan"], ["failure_probability"]),
        make("IsNaN", ["failure_probability"], ["unusable"]),
        make("GreaterOrEqual", ["failure_probability", THRESHOLD], ["over_threshold"]),
        make("Cast", ["over_threshold"], ["decision"], to=TensorProto.INT64),
        make("Where", ["unusable", "not_applicable", "decision"], ["failure"]),
    ]
