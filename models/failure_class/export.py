"""The artefact: raw columns in, probability, decision and reasons out, as one ONNX graph.

The feature arithmetic of features.py is repeated here as ONNX nodes, so that any runtime takes a
machine's readings as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import onnx
from onnx import NodeProto, TensorProto

from models.calibration import Calibration
from models.contributing_trees import ContributingTrees, contributing_trees, joined
from models.failure_class.data import QUANTITY_COLUMNS
from models.failure_class.features import (
    DIRECTIONS,
    GRADES,
    RADIANS_PER_SECOND_PER_RPM,
    STEPS_PER_KELVIN,
)
from models.failure_class.signature import NOT_APPLICABLE, REASONS
from models.onnx_graph import ML_DOMAIN, Constants, constant, make, nothing_or_nan, to_model, value
from models.reason_fields import TOLD
from models.reasons import reason_constants, reason_nodes

THRESHOLD = "threshold"
LOG_ODDS = "log_odds"
_FEATURES, _CONTRIBUTIONS = "features", "exact_contributions"
_SLOPE, _USUAL = "slope", "usual_log_odds"


@dataclass(frozen=True, slots=True)
class Rule:
    """What turns the trees' log-odds into an answer. The threshold is one of calibrated
    probability, in single precision, as the graph holds it."""

    calibration: Calibration
    threshold: np.float32


def to_onnx(booster: lgb.Booster, rule: Rule, signature: str) -> onnx.ModelProto:
    """The trained trees between feature nodes and decision nodes.

    Inputs of shape [batch]: `type` STRING and the five quantities FLOAT. Outputs of shape
    [batch]: `failure_probability` FLOAT and `failure` INT64; of shape [batch, TOLD]: `reasons`
    STRING and `contributions` FLOAT. Same booster, same bytes.
    """
    return to_graph(own_trees(booster), rule, signature)


def own_trees(booster: lgb.Booster) -> ContributingTrees:
    """The booster as it stands in the graph."""
    return contributing_trees(booster, _FEATURES, _CONTRIBUTIONS)


def to_graph(trees: ContributingTrees, rule: Rule, signature: str) -> onnx.ModelProto:
    """The same, from trees that are a node already."""
    return to_model(
        "failure_class",
        [
            *_feature_nodes(),
            trees.node,
            *_probability_nodes(),
            *_decision_nodes(),
            *reason_nodes("calibrated_contributions", "unusable", "reasons", "contributions"),
        ],
        [value("type", kind=TensorProto.STRING), *(value(name) for name in QUANTITY_COLUMNS)],
        [
            value("failure_probability"),
            value("failure", kind=TensorProto.INT64),
            value("reasons", TOLD, kind=TensorProto.STRING),
            value("contributions", TOLD),
        ],
        _constants(rule, float(trees.base[0])),
        producer="models.failure_class",
        signature=signature,
    )


def threshold_of(model: onnx.ModelProto) -> np.float32:
    """The decision threshold that the graph holds."""
    return np.float32(constant(model, THRESHOLD))


def trees_of(model: onnx.ModelProto) -> ContributingTrees:
    """Those that the graph holds, as trees that add up to its calibrated log-odds."""
    node = next(one for one in model.graph.node if one.op_type == "TreeEnsembleRegressor")
    slope, usual = (float(constant(model, name)) for name in (_SLOPE, _USUAL))
    exact = ContributingTrees(node, np.array([usual / slope]))
    return joined([(slope, exact)])


def _constants(rule: Rule, base: float) -> Constants:
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
        make("Concat", [f"{name}_column" for name in names], [_FEATURES], axis=1),
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


def _probability_nodes() -> Iterator[NodeProto]:
    """`calibrated_contributions` [batch, features], and `probability` [batch, 1] of their sum."""
    yield make("Mul", [_CONTRIBUTIONS, _SLOPE], ["calibrated_contributions"])
    yield make("ReduceSum", ["calibrated_contributions", "axis_1"], ["moved"], keepdims=1)
    yield make("Add", ["moved", _USUAL], ["told_log_odds"])
    yield from nothing_or_nan(_FEATURES)
    yield make("Add", ["told_log_odds", "row_nothing_or_nan"], [LOG_ODDS])
    yield make("Sigmoid", [LOG_ODDS], ["probability"])


def _decision_nodes() -> Iterator[NodeProto]:
    yield make("IsNaN", [LOG_ODDS], ["unusable"])
    yield make("GreaterOrEqual", ["probability", THRESHOLD], ["over_threshold"])
    yield make("Cast", ["over_threshold"], ["decision"], to=TensorProto.INT64)
    yield make("Where", ["unusable", "not_applicable", "decision"], ["failure_column"])
    yield make("Squeeze", ["probability", "axis_1"], ["failure_probability"])
    yield make("Squeeze", ["failure_column", "axis_1"], ["failure"])
