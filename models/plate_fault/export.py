"""The artefact: measures in; fault, probabilities and reasons out, as one ONNX graph.

A reason's contribution is its Shapley value: the graph asks the trees about the plate itself, about
the usual plate, and about every mixture of both in which each group of measures comes from one of
them. What a group adds, on average over all orders in which the groups could be taken over, is
exact here, for there are few groups, and all groups together add up to the whole difference.
"""

from collections.abc import Iterator

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto
from sklearn.ensemble import ExtraTreesClassifier

from models.calibration import Calibration
from models.forest import forest
from models.onnx_graph import Constants, make, nothing_or_nan, to_model, value
from models.plate_fault.data import FAULTS, MEASURES, Floats
from models.plate_fault.groups import GROUPS, mixtures, shapley_weights
from models.reason_fields import TOLD
from models.reasons import reason_constants, reason_nodes

# Added to each fault's share of the trees before its logarithm is taken: a share of none is not
# impossible. Learning uses the same.
LEAST_SHARE = 0.005


def to_onnx(
    trees: ExtraTreesClassifier, calibration: Calibration, usual: Floats, signature: str
) -> ModelProto:
    """The trees between what mixes the measures and what tells the answer.

    usual: the measures of the usual plate, [MEASURES]. Inputs: each measure FLOAT [batch]. Outputs
    of shape [batch]: `fault` STRING, its probability and that of each fault FLOAT; of shape [batch,
    TOLD]: `reasons` STRING, `contributions` FLOAT.
    """
    return to_model(
        "plate_fault",
        [
            *_measure_nodes(),
            forest(trees, "mixed_rows", "shares"),
            *_score_nodes(),
            *_answer_nodes(),
            *_contribution_nodes(),
            *reason_nodes("added", "unusable", "reasons", "contributions"),
        ],
        [value(name) for name in MEASURES],
        [
            value("fault", kind=TensorProto.STRING),
            value("fault_probability"),
            *(value(f"{name}_probability") for name in FAULTS),
            value("reasons", TOLD, kind=TensorProto.STRING),
            value("contributions", TOLD),
        ],
        _constants(calibration, usual),
        producer="models.plate_fault",
        signature=signature,
    )


def _constants(calibration: Calibration, usual: Floats) -> Constants:
    own = mixtures()
    return {
        "axis_1": np.array([1], dtype=np.int64),
        "own": own[np.newaxis],
        "usual": usual.astype(np.float32),
        "rows": np.array([-1, len(MEASURES)], dtype=np.int64),
        "by_mixture": np.array([-1, len(own), len(FAULTS)], dtype=np.int64),
        "itself": np.array(len(own) - 1, dtype=np.int64),
        "least_share": np.array(LEAST_SHARE, dtype=np.float32),
        "slope": np.array(calibration.slope, dtype=np.float32),
        "shifts": calibration.shifts.astype(np.float32),
        "zero": np.array(0, dtype=np.float32),
        "one": np.array(1, dtype=np.float32),
        "places": np.arange(len(FAULTS), dtype=np.int64),
        "faults": np.array(list(FAULTS), dtype=object),
        "shapley_weights": shapley_weights().astype(np.float32),
        **{f"place_{at}": np.array(at, dtype=np.int64) for at in range(len(FAULTS))},
        **reason_constants(list(GROUPS)),
    }


def _measure_nodes() -> Iterator[NodeProto]:
    """`measures` [batch, MEASURES], and `mixed_rows` [batch × mixtures, MEASURES]."""
    for name in MEASURES:
        yield make("Unsqueeze", [name, "axis_1"], [f"{name}_column"])
    yield make("Concat", [f"{name}_column" for name in MEASURES], ["measures"], axis=1)
    yield make("Unsqueeze", ["measures", "axis_1"], ["measures_row"])
    yield make("Where", ["own", "measures_row", "usual"], ["mixed"])
    yield make("Reshape", ["mixed", "rows"], ["mixed_rows"])


def _score_nodes() -> Iterator[NodeProto]:
    """`each_mixed` [batch, mixtures, FAULTS], the probabilities of all mixtures, `each` [batch,
    FAULTS], those of the plate itself, and `unusable` [batch, 1]."""
    yield make("Add", ["shares", "least_share"], ["possible"])
    yield make("Log", ["possible"], ["logarithms"])
    yield make("Mul", ["logarithms", "slope"], ["sloped"])
    yield make("Add", ["sloped", "shifts"], ["scores"])
    yield make("Reshape", ["scores", "by_mixture"], ["mixed_scores"])
    yield make("Softmax", ["mixed_scores"], ["each_mixed"], axis=2)
    yield make("Gather", ["each_mixed", "itself"], ["told_each"], axis=1)
    yield from nothing_or_nan("measures")
    yield make("IsNaN", ["row_nothing_or_nan"], ["unusable"])
    yield make("Add", ["told_each", "row_nothing_or_nan"], ["each"])


def _answer_nodes() -> Iterator[NodeProto]:
    """The outputs but the reasons."""
    for at, name in enumerate(FAULTS):
        yield make("Gather", ["each", f"place_{at}"], [f"{name}_probability"], axis=1)
    # Of the probabilities before NaN may have come in: there is always one that is greatest.
    yield make("ArgMax", ["told_each"], ["likeliest"], axis=1, keepdims=1)
    yield make("GatherElements", ["each", "likeliest"], ["sure"], axis=1)
    yield make("Squeeze", ["sure", "axis_1"], ["fault_probability"])
    yield make("Gather", ["faults", "likeliest"], ["likeliest_fault"])
    yield make("Where", ["unusable", "no_reason", "likeliest_fault"], ["fault_column"])
    yield make("Squeeze", ["fault_column", "axis_1"], ["fault"])


def _contribution_nodes() -> Iterator[NodeProto]:
    """`added` [batch, GROUPS]: by how much each group moves the log-odds of the told fault."""
    yield make("Equal", ["places", "likeliest"], ["is_told"])
    yield make("Cast", ["is_told"], ["is_told_number"], to=TensorProto.FLOAT)
    yield make("Unsqueeze", ["is_told_number", "axis_1"], ["told_row"])
    yield make("Mul", ["each_mixed", "told_row"], ["only_told"])
    yield make("ReduceMax", ["only_told"], ["for_it"], axes=[2], keepdims=0)
    yield make("Sub", ["one", "for_it"], ["against_it"])
    yield make("Div", ["for_it", "against_it"], ["odds"])
    yield make("Log", ["odds"], ["log_odds"])
    yield make("MatMul", ["log_odds", "shapley_weights"], ["added"])
