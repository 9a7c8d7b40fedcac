"""The artefact: raw columns in, probability and decision out, as one ONNX graph.

Owns the graph. The feature arithmetic of features.py is repeated here as ONNX nodes, so that any
runtime takes a machine's readings as they are. Does not own what is learned (train.py) nor the
words of the signature (signature.py).
"""

import lightgbm as lgb
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from models.failure_class.data import QUANTITY_COLUMNS
from models.failure_class.features import (
    DIRECTIONS,
    GRADES,
    RADIANS_PER_SECOND_PER_RPM,
    STEPS_PER_KELVIN,
)
from models.failure_class.signature import NOT_APPLICABLE
from models.onnx_graph import ML_DOMAIN, constant, make, to_model, trees, value

THRESHOLD = "threshold"


def to_onnx(booster: lgb.Booster, threshold: np.float32, signature: str) -> onnx.ModelProto:
    """The trained trees between feature nodes and decision nodes.

    Inputs of shape [batch]: `type` STRING and the five quantities FLOAT. Outputs of shape
    [batch]: `failure_probability` FLOAT and `failure` INT64. Same booster, same bytes.
    """
    return to_model(
        "failure_class",
        [
            *_feature_nodes(),
            trees(booster, "features", ["most_likely_class", "class_probabilities"]),
            *_decision_nodes(),
        ],
        [value("type", kind=TensorProto.STRING), *(value(name) for name in QUANTITY_COLUMNS)],
        [value("failure_probability"), value("failure", kind=TensorProto.INT64)],
        _constants(threshold),
        producer="models.failure_class",
        signature=signature,
    )


def threshold_of(model: onnx.ModelProto) -> np.float32:
    """The decision threshold that the graph holds."""
    return np.float32(constant(model, THRESHOLD))


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
    return make(
        "LabelEncoder",
        ["type"],
        ["grade"],
        domain=ML_DOMAIN,
        keys_strings=list(GRADES),
        values_floats=list(GRADES.values()),
        # An unknown type must not pass for one of the known.
        default_float=float("nan"),
    )


def _decision_nodes() -> list[NodeProto]:
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
