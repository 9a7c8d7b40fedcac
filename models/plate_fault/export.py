"""Export the model as one ONNX graph: measures in; fault, probabilities and reasons out.

A reason's contribution is an exact Shapley value: the graph evaluates the trees for the plate, the
reference plate, and every coalition in which each group of measures comes from one of them. All
contributions add up to the difference between plate and reference. Node names are part of the
artefact's bytes.
"""

from collections.abc import Iterator

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto
from sklearn.ensemble import ExtraTreesClassifier

from models.calibration import Calibration
from models.onnx_graph import Constants, make, nan_guard_nodes, tensor_info, to_model
from models.plate_fault.data import FAULTS, MEASURES, Floats
from models.plate_fault.forest import forest_node
from models.plate_fault.groups import MEASURE_GROUPS, coalition_measures, shapley_weights
from models.reason_fields import REASON_COUNT
from models.reasons import reason_constants, reason_nodes

# Added to each fault's vote share before the logarithm, so that a share of 0 stays finite. Training
# uses the same value.
MIN_VOTE_SHARE = 0.005


def to_onnx(
    trees: ExtraTreesClassifier, calibration: Calibration, reference: Floats, signature: str
) -> ModelProto:
    """Build the ONNX graph of the trees, their calibration and the explanation.

    reference: the measures of the reference plate, [MEASURES]. Inputs: each measure FLOAT [batch].
    Outputs of shape [batch]: `fault` STRING, its probability and that of each fault FLOAT; of shape
    [batch, TOLD]: `reasons` STRING, `contributions` FLOAT.
    """
    return to_model(
        "plate_fault",
        [
            *_measure_nodes(),
            forest_node(trees, "mixed_rows", "shares"),
            *_score_nodes(),
            *_answer_nodes(),
            *_contribution_nodes(),
            *reason_nodes("added", "unusable", "reasons", "contributions"),
        ],
        [tensor_info(name) for name in MEASURES],
        [
            tensor_info("fault", kind=TensorProto.STRING),
            tensor_info("fault_probability"),
            *(tensor_info(f"{name}_probability") for name in FAULTS),
            tensor_info("reasons", REASON_COUNT, kind=TensorProto.STRING),
            tensor_info("contributions", REASON_COUNT),
        ],
        _constants(calibration, reference),
        producer="models.plate_fault",
        signature=signature,
    )


def _constants(calibration: Calibration, reference: Floats) -> Constants:
    """Return the graph's constants: coalitions, calibration, reference and Shapley weights."""
    coalitions = coalition_measures()
    return {
        "axis_1": np.array([1], dtype=np.int64),
        "own": coalitions[np.newaxis],
        "usual": reference.astype(np.float32),
        "rows": np.array([-1, len(MEASURES)], dtype=np.int64),
        "by_mixture": np.array([-1, len(coalitions), len(FAULTS)], dtype=np.int64),
        "itself": np.array(len(coalitions) - 1, dtype=np.int64),
        "least_share": np.array(MIN_VOTE_SHARE, dtype=np.float32),
        "slope": np.array(calibration.slope, dtype=np.float32),
        "shifts": calibration.shifts.astype(np.float32),
        "zero": np.array(0, dtype=np.float32),
        "one": np.array(1, dtype=np.float32),
        "places": np.arange(len(FAULTS), dtype=np.int64),
        "faults": np.array(list(FAULTS), dtype=object),
        "shapley_weights": shapley_weights().astype(np.float32),
        **{f"place_{index}": np.array(index, dtype=np.int64) for index in range(len(FAULTS))},
        **reason_constants(list(MEASURE_GROUPS)),
    }


def _measure_nodes() -> Iterator[NodeProto]:
    """Yield nodes for `measures` [batch, MEASURES] and `mixed_rows`, one row per coalition."""
    for name in MEASURES:
        yield make("Unsqueeze", [name, "axis_1"], [f"{name}_column"])
    yield make("Concat", [f"{name}_column" for name in MEASURES], ["measures"], axis=1)
    yield make("Unsqueeze", ["measures", "axis_1"], ["measures_row"])
    yield make("Where", ["own", "measures_row", "usual"], ["mixed"])
    yield make("Reshape", ["mixed", "rows"], ["mixed_rows"])


def _score_nodes() -> Iterator[NodeProto]:
    """Yield nodes for the probabilities.

    `each_mixed` [batch, coalitions, FAULTS] for all coalitions, `each` [batch, FAULTS] for the
    plate itself, and `unusable` [batch, 1], true if an input is not finite.
    """
    yield make("Add", ["shares", "least_share"], ["possible"])
    yield make("Log", ["possible"], ["logarithms"])
    yield make("Mul", ["logarithms", "slope"], ["sloped"])
    yield make("Add", ["sloped", "shifts"], ["scores"])
    yield make("Reshape", ["scores", "by_mixture"], ["mixed_scores"])
    yield make("Softmax", ["mixed_scores"], ["each_mixed"], axis=2)
    yield make("Gather", ["each_mixed", "itself"], ["told_each"], axis=1)
    yield from nan_guard_nodes("measures")
    yield make("IsNaN", ["row_nothing_or_nan"], ["unusable"])
    yield make("Add", ["told_each", "row_nothing_or_nan"], ["each"])


def _answer_nodes() -> Iterator[NodeProto]:
    """Yield nodes for `fault` and the probability outputs."""
    for at, name in enumerate(FAULTS):
        yield make("Gather", ["each", f"place_{at}"], [f"{name}_probability"], axis=1)
    # ArgMax before NaN is added: its input always has a maximum.
    yield make("ArgMax", ["told_each"], ["likeliest"], axis=1, keepdims=1)
    yield make("GatherElements", ["each", "likeliest"], ["sure"], axis=1)
    yield make("Squeeze", ["sure", "axis_1"], ["fault_probability"])
    yield make("Gather", ["faults", "likeliest"], ["likeliest_fault"])
    yield make("Where", ["unusable", "no_reason", "likeliest_fault"], ["fault_column"])
    yield make("Squeeze", ["fault_column", "axis_1"], ["fault"])


def _contribution_nodes() -> Iterator[NodeProto]:
    """Yield the ONNX nodes of output `added`, Shapley values by group, [batch, groups]."""
    yield make("Equal", ["places", "likeliest"], ["is_told"])
    yield make("Cast", ["is_told"], ["is_told_number"], to=TensorProto.FLOAT)
    yield make("Unsqueeze", ["is_told_number", "axis_1"], ["told_row"])
    yield make("Mul", ["each_mixed", "told_row"], ["only_told"])
    yield make("ReduceMax", ["only_told"], ["for_it"], axes=[2], keepdims=0)
    yield make("Sub", ["one", "for_it"], ["against_it"])
    yield make("Div", ["for_it", "against_it"], ["odds"])
    yield make("Log", ["odds"], ["log_odds"])
    yield make("MatMul", ["log_odds", "shapley_weights"], ["added"])
