"""Build the ONNX graph from a cycle's series to conditions, probabilities and reasons.

The computation of features.py is repeated here as ONNX nodes, so that any ONNX runtime accepts raw
readings.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from models.calibration import Calibration
from models.condition.data import SECONDS, SENSORS, TARGETS, Target
from models.condition.features import PHASE_SECONDS, PHASES, SLOPE_WEIGHTS
from models.condition.levels import LevelModel
from models.condition.signature import NOT_APPLICABLE
from models.onnx_graph import Constants, make, tensor_info, to_model
from models.reason_fields import REASON_COUNT
from models.reasons import reason_constants, reason_nodes


def to_onnx(model: LevelModel, calibrations: Sequence[Calibration], signature: str) -> ModelProto:
    """Build the graph: features, sensor contributions of all targets, and each target's outputs.

    Inputs: each sensor FLOAT [batch, SECONDS]. Outputs for each target: the condition INT64 and its
    probability FLOAT, [batch]; reasons STRING and contributions FLOAT,
    [batch, REASON_COUNT].
    """
    nodes = [*_feature_nodes(), *_contribution_nodes()]
    for target_index, target in enumerate(TARGETS):
        nodes += _level_nodes(target_index, target)
        nodes += _output_nodes(target)
    return to_model(
        "condition",
        nodes,
        [tensor_info(name, SECONDS) for name in SENSORS],
        [field for target in TARGETS for field in _target_outputs(target)],
        _constants(model, calibrations),
        producer="models.condition",
        signature=signature,
    )


def _target_outputs(target: Target) -> tuple[ValueInfoProto, ...]:
    """Return the ONNX graph's outputs for a target: condition, probability and reasons."""
    return (
        tensor_info(target.name, kind=TensorProto.INT64),
        tensor_info(f"{target.name}_probability"),
        tensor_info(f"{target.name}_reasons", REASON_COUNT, kind=TensorProto.STRING),
        tensor_info(f"{target.name}_contributions", REASON_COUNT),
    )


def _constants(model: LevelModel, calibrations: Sequence[Calibration]) -> Constants:
    """Return the constants of the graph by name."""
    constants: dict[str, NDArray[np.generic]] = {
        "axis_1": np.array([1], dtype=np.int64),
        "axis_2": np.array([2], dtype=np.int64),
        "axis_3": np.array([3], dtype=np.int64),
        "phases_shape": np.array([0, 0, PHASES, PHASE_SECONDS], dtype=np.int64),
        "slope_weights": SLOPE_WEIGHTS.astype(np.float32),
        "centre": model.scaling.centre.astype(np.float32),
        "spread": model.scaling.spread.astype(np.float32),
        "weights": model.weights.astype(np.float32),
        "sound": model.healthy.astype(np.float32),
        "not_applicable": np.array(NOT_APPLICABLE, dtype=np.int64),
        **reason_constants(SENSORS),
    }
    for target_index, (target, calibration) in enumerate(zip(TARGETS, calibrations, strict=True)):
        mean_levels, slope = model.mean_levels[target_index], calibration.slope
        constants |= {
            f"{target.name}_place": np.array(target_index, dtype=np.int64),
            f"{target.name}_sound_level": np.array(mean_levels[-1], dtype=np.float32),
            f"{target.name}_slopes": (slope * mean_levels).astype(np.float32),
            f"{target.name}_shifts": (slope * -(mean_levels**2) / 2).astype(np.float32),
            f"{target.name}_conditions": np.array(target.conditions, dtype=np.int64),
        }
    return constants


def _feature_nodes() -> Iterator[NodeProto]:
    """Build the nodes that compute `scaled`, the scaled features [batch, sensors, features]."""
    for name in SENSORS:
        yield make("Unsqueeze", [name, "axis_1"], [f"{name}_row"])
    yield make("Concat", [f"{name}_row" for name in SENSORS], ["readings"], axis=1)
    yield make("Reshape", ["readings", "phases_shape"], ["phases"])
    yield make("ReduceMean", ["phases"], ["phase_means"], axes=[3], keepdims=1)
    yield make("Sub", ["phases", "phase_means"], ["apart"])
    yield make("Mul", ["apart", "slope_weights"], ["weighted"])
    yield make("ReduceSum", ["weighted", "axis_3"], ["slopes"], keepdims=0)
    yield make("Mul", ["apart", "apart"], ["squares"])
    yield make("ReduceMean", ["squares"], ["variances"], axes=[3], keepdims=0)
    yield make("Sqrt", ["variances"], ["spreads"])
    yield make("Squeeze", ["phase_means", "axis_3"], ["means"])
    yield make("ReduceMin", ["readings"], ["lowest"], axes=[2], keepdims=1)
    yield make("ReduceMax", ["readings"], ["highest"], axes=[2], keepdims=1)
    parts = ["means", "slopes", "spreads", "lowest", "highest"]
    yield make("Concat", parts, ["features"], axis=2)
    yield make("Sub", ["features", "centre"], ["centred"])
    yield make("Div", ["centred", "spread"], ["scaled"])


def _contribution_nodes() -> Iterator[NodeProto]:
    """Build the nodes that compute `contributions` [batch, sensors, targets]."""
    yield make("Unsqueeze", ["scaled", "axis_2"], ["scaled_rows"])
    yield make("MatMul", ["scaled_rows", "weights"], ["said_rows"])
    yield make("Squeeze", ["said_rows", "axis_2"], ["said"])
    yield make("Sub", ["said", "sound"], ["contributions"])


def _level_nodes(target_index: int, target: Target) -> Iterator[NodeProto]:
    """Build the nodes of a target's contributions, level and probabilities.

    They are `…_moved` [batch, sensors], `…_level` [batch, 1] and `…_each` [batch, conditions].
    """
    name = target.name
    yield make("Gather", ["contributions", f"{name}_place"], [f"{name}_moved"], axis=2)
    yield make("ReduceSum", [f"{name}_moved", "axis_1"], [f"{name}_sum"], keepdims=1)
    yield make("Add", [f"{name}_sum", f"{name}_sound_level"], [f"{name}_level"])
    yield make("Mul", [f"{name}_level", f"{name}_slopes"], [f"{name}_products"])
    yield make("Add", [f"{name}_products", f"{name}_shifts"], [f"{name}_scores"])
    yield make("Softmax", [f"{name}_scores"], [f"{name}_each"], axis=1)


def _output_nodes(target: Target) -> Iterator[NodeProto]:
    """Build the nodes of a target's condition, probability and reasons."""
    name = target.name
    unusable = f"{name}_unusable"
    yield make("IsNaN", [f"{name}_level"], [unusable])
    yield make("ArgMax", [f"{name}_each"], [f"{name}_likeliest"], axis=1, keepdims=1)
    yield make("Gather", [f"{name}_conditions", f"{name}_likeliest"], [f"{name}_told"])
    yield make("Where", [unusable, "not_applicable", f"{name}_told"], [f"{name}_column"])
    yield make("Squeeze", [f"{name}_column", "axis_1"], [name])
    yield make("GatherElements", [f"{name}_each", f"{name}_likeliest"], [f"{name}_sure"], axis=1)
    yield make("Squeeze", [f"{name}_sure", "axis_1"], [f"{name}_probability"])
    yield from reason_nodes(f"{name}_moved", unusable, f"{name}_reasons", f"{name}_contributions")
