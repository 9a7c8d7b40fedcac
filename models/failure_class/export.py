"""Export the model as one ONNX graph: raw columns in; probability, decision and reasons out.

The feature arithmetic of features.py is repeated here as ONNX nodes, so that any runtime accepts
raw readings. Node names are part of the artefact's bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import onnx
from onnx import NodeProto, TensorProto

from models.calibration import Calibration
from models.contributing_trees import ContributingTrees, build_contributing_trees, combine_ensembles
from models.failure_class.data import QUANTITY_COLUMNS
from models.failure_class.features import (
    GRADES,
    MONOTONE_CONSTRAINTS,
    RADIANS_PER_SECOND_PER_RPM,
    STEPS_PER_KELVIN,
)
from models.failure_class.signature import NOT_APPLICABLE, REASONS
from models.onnx_graph import (
    ML_DOMAIN,
    Constants,
    make,
    nan_guard_nodes,
    read_constant,
    tensor_info,
    to_model,
)
from models.reason_fields import REASON_COUNT
from models.reasons import reason_constants, reason_nodes

THRESHOLD = "threshold"
LOG_ODDS = "log_odds"
_FEATURES, _CONTRIBUTIONS = "features", "exact_contributions"
_SLOPE, _USUAL = "slope", "usual_log_odds"


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """Calibration and decision threshold applied to the trees' log-odds.

    The threshold is a calibrated probability, in single precision as in the graph.
    """

    calibration: Calibration
    threshold: np.float32


def to_onnx(booster: lgb.Booster, rule: DecisionRule, signature: str) -> onnx.ModelProto:
    """Build the ONNX graph of a trained booster and its decision rule.

    Inputs of shape [batch]: `type` STRING and the five quantities FLOAT. Outputs of shape
    [batch]: `failure_probability` FLOAT and `failure` INT64; of shape [batch, TOLD]: `reasons`
    STRING and `contributions` FLOAT. The same booster gives the same bytes.
    """
    return build_graph(booster_trees(booster), rule, signature)


def booster_trees(booster: lgb.Booster) -> ContributingTrees:
    """Convert the booster to a tree node that outputs feature contributions."""
    return build_contributing_trees(booster, _FEATURES, _CONTRIBUTIONS)


def build_graph(trees: ContributingTrees, rule: DecisionRule, signature: str) -> onnx.ModelProto:
    """Build the ONNX graph from trees that are already converted to an ONNX node."""
    return to_model(
        "failure_class",
        [
            *_feature_nodes(),
            trees.node,
            *_probability_nodes(),
            *_decision_nodes(),
            *reason_nodes("calibrated_contributions", "unusable", "reasons", "contributions"),
        ],
        [
            tensor_info("type", kind=TensorProto.STRING),
            *(tensor_info(name) for name in QUANTITY_COLUMNS),
        ],
        [
            tensor_info("failure_probability"),
            tensor_info("failure", kind=TensorProto.INT64),
            tensor_info("reasons", REASON_COUNT, kind=TensorProto.STRING),
            tensor_info("contributions", REASON_COUNT),
        ],
        _constants(rule, float(trees.base[0])),
        producer="models.failure_class",
        signature=signature,
    )


def threshold_of(model: onnx.ModelProto) -> np.float32:
    """Return the decision threshold stored in the graph."""
    return np.float32(read_constant(model, THRESHOLD))


def trees_of(model: onnx.ModelProto) -> ContributingTrees:
    """Return the graph's trees, scaled so that they add up to its calibrated log-odds."""
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor")
    slope, usual = (float(read_constant(model, name)) for name in (_SLOPE, _USUAL))
    exact = ContributingTrees(node, np.array([usual / slope]))
    return combine_ensembles([(slope, exact)])


def _constants(rule: DecisionRule, base: float) -> Constants:
    """Return the graph's constants; `base` is the trees' mean log-odds."""
    slope, shift = rule.calibration.slope, rule.calibration.shifts[1]
    return {
        THRESHOLD: np.array(rule.threshold, dtype=np.float32),
        _SLOPE: np.array(slope, dtype=np.float32),
        _USUAL: np.array(slope * base + shift, dtype=np.float32),
        "steps_per_kelvin": np.array(STEPS_PER_KELVIN, dtype=np.float32),
        "radians_per_second_per_rpm": np.array(RADIANS_PER_SECOND_PER_RPM, dtype=np.float32),
        "zero": np.array(0, dtype=np.float32),
        "axis_1": np.array([1], dtype=np.int64),
        "not_applicable": np.array(NOT_APPLICABLE, dtype=np.int64),
        **reason_constants(tuple(REASONS)),
    }


def _feature_nodes() -> list[NodeProto]:
    """Return nodes for `features` [batch, 7], as in features.py."""
    names = list(MONOTONE_CONSTRAINTS)
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
        make("Concat", [f"{name}_column" for name in names], [_FEATURES], axis=1),
    ]


def _grade_node() -> NodeProto:
    """Return the node that encodes the quality grade as a number."""
    return make(
        "LabelEncoder",
        ["type"],
        ["grade"],
        domain=ML_DOMAIN,
        keys_strings=list(GRADES),
        values_floats=list(GRADES.values()),
        # An unknown type becomes NaN, never a known grade.
        default_float=float("nan"),
    )


def _probability_nodes() -> Iterator[NodeProto]:
    """Yield nodes for `calibrated_contributions` [batch, features] and `probability` [batch, 1]."""
    yield make("Mul", [_CONTRIBUTIONS, _SLOPE], ["calibrated_contributions"])
    yield make("ReduceSum", ["calibrated_contributions", "axis_1"], ["moved"], keepdims=1)
    yield make("Add", ["moved", _USUAL], ["told_log_odds"])
    yield from nan_guard_nodes(_FEATURES)
    yield make("Add", ["told_log_odds", "row_nothing_or_nan"], [LOG_ODDS])
    yield make("Sigmoid", [LOG_ODDS], ["probability"])


def _decision_nodes() -> Iterator[NodeProto]:
    """Yield nodes for `failure_probability` and `failure`, [batch] each."""
    yield make("IsNaN", [LOG_ODDS], ["unusable"])
    yield make("GreaterOrEqual", ["probability", THRESHOLD], ["over_threshold"])
    yield make("Cast", ["over_threshold"], ["decision"], to=TensorProto.INT64)
    yield make("Where", ["unusable", "not_applicable", "decision"], ["failure_column"])
    yield make("Squeeze", ["probability", "axis_1"], ["failure_probability"])
    yield make("Squeeze", ["failure_column", "axis_1"], ["failure"])
