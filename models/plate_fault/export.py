"""The artefact: measures in; fault, probabilities and reasons out, as one ONNX graph.

Owns the graph. Does not own what is learned (train.py) nor the words of the signature
(signature.py).
"""

from collections.abc import Iterator, Sequence

import lightgbm as lgb
import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from models.calibration import Calibration, Exact
from models.contributing_trees import contributing_trees
from models.onnx_graph import Constants, make, to_model, value
from models.plate_fault.data import FAULTS, MEASURES
from models.reasons import TOLD, reason_constants, reason_nodes


def to_onnx(
    boosters: Sequence[lgb.Booster], calibration: Calibration, signature: str
) -> ModelProto:
    """The trees' mean between what joins the measures and what tells the answer.

    Inputs: each measure FLOAT [batch]. Outputs of shape [batch]: `fault` STRING, its probability
    and that of each fault FLOAT; of shape [batch, TOLD]: `reasons` STRING, `contributions` FLOAT.
    """
    trees = [
        contributing_trees(booster, "measures", f"trees_{number}")
        for number, booster in enumerate(boosters)
    ]
    base = np.asarray(np.mean([one.base for one in trees], axis=0))
    return to_model(
        "plate_fault",
        [
            *_measure_nodes(),
            *(one.node for one in trees),
            *_probability_nodes(len(trees)),
            *_answer_nodes(),
            *reason_nodes("for_the_told", "unusable", "reasons", "contributions"),
        ],
        [value(name) for name in MEASURES],
        [
            value("fault", kind=TensorProto.STRING),
            value("fault_probability"),
            *(value(f"{name}_probability") for name in FAULTS),
            value("reasons", TOLD, kind=TensorProto.STRING),
            value("contributions", TOLD),
        ],
        _constants(calibration, base),
        producer="models.plate_fault",
        signature=signature,
    )


def _constants(calibration: Calibration, base: Exact) -> Constants:
    return {
        "axis_1": np.array([1], dtype=np.int64),
        "axis_2": np.array([2], dtype=np.int64),
        "zero": np.array(0, dtype=np.float32),
        "by_fault": np.array([0, len(FAULTS), len(MEASURES)], dtype=np.int64),
        "slope": np.array(calibration.slope, dtype=np.float32),
        "usual_scores": (calibration.slope * base + calibration.shifts).astype(np.float32),
        "places": np.arange(len(FAULTS), dtype=np.int64),
        "faults": np.array(list(FAULTS), dtype=object),
        **{f"place_{at}": np.array(at, dtype=np.int64) for at in range(len(FAULTS))},
        **reason_constants(MEASURES),
    }


def _measure_nodes() -> Iterator[NodeProto]:
    """`measures` [batch, MEASURES]."""
    for name in MEASURES:
        yield make("Unsqueeze", [name, "axis_1"], [f"{name}_column"])
    yield make("Concat", [f"{name}_column" for name in MEASURES], ["measures"], axis=1)


def _probability_nodes(count: int) -> Iterator[NodeProto]:
    """`moved` [batch, FAULTS, MEASURES], what each measure adds to each fault's score, and `each`
    [batch, FAULTS], the probabilities."""
    yield make("Mean", [f"trees_{number}" for number in range(count)], ["mean_of_trees"])
    yield make("Mul", ["mean_of_trees", "slope"], ["calibrated"])
    yield make("Reshape", ["calibrated", "by_fault"], ["moved"])
    yield make("ReduceSum", ["moved", "axis_2"], ["sums"], keepdims=0)
    yield make("Add", ["sums", "usual_scores"], ["told_scores"])
    # Trees send a NaN down some branch and answer all the same. Zero times a NaN or an infinity is
    # NaN, and zero times anything else adds nothing.
    yield make("Mul", ["measures", "zero"], ["nothing_or_nan"])
    yield make("ReduceSum", ["nothing_or_nan", "axis_1"], ["row_nothing_or_nan"], keepdims=1)
    yield make("IsNaN", ["row_nothing_or_nan"], ["unusable"])
    yield make("Add", ["told_scores", "row_nothing_or_nan"], ["scores"])
    yield make("Softmax", ["scores"], ["each"], axis=1)


def _answer_nodes() -> Iterator[NodeProto]:
    """The outputs but the reasons, and `for_the_told` [batch, MEASURES]: what each measure adds to
    the told fault's score, less what it adds to all faults' on average."""
    for at, name in enumerate(FAULTS):
        yield make("Gather", ["each", f"place_{at}"], [f"{name}_probability"], axis=1)
    # Of the scores before NaN may have come in: there is always one that is greatest.
    yield make("ArgMax", ["told_scores"], ["likeliest"], axis=1, keepdims=1)
    yield make("GatherElements", ["each", "likeliest"], ["sure"], axis=1)
    yield make("Squeeze", ["sure", "axis_1"], ["fault_probability"])
    yield make("Gather", ["faults", "likeliest"], ["likeliest_fault"])
    yield make("Where", ["unusable", "no_reason", "likeliest_fault"], ["fault_column"])
    yield make("Squeeze", ["fault_column", "axis_1"], ["fault"])
    yield make("ReduceMean", ["moved"], ["moved_on_average"], axes=[1], keepdims=1)
    yield make("Sub", ["moved", "moved_on_average"], ["against_average"])
    yield make("Equal", ["places", "likeliest"], ["is_told"])
    yield make("Cast", ["is_told"], ["is_told_number"], to=TensorProto.FLOAT)
    yield make("Unsqueeze", ["is_told_number", "axis_1"], ["told_row"])
    yield make("MatMul", ["told_row", "against_average"], ["for_the_told_row"])
    yield make("Squeeze", ["for_the_told_row", "axis_1"], ["for_the_told"])
