"""Build the ONNX graph from sensor histories to remaining useful life and its interval.

The computation of features.py is repeated here as ONNX nodes, so that any ONNX runtime accepts raw
readings.
"""

from collections.abc import Iterator, Sequence

import lightgbm as lgb
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from models.onnx_graph import make, nan_guard_nodes, tensor_info, to_model, tree_ensemble_node
from models.rul.data import CAP, SENSORS
from models.rul.features import DRIFT_WINDOW, MEAN_WINDOWS, ROUNDING_STEPS, SLOPE_WINDOWS, Scaling
from models.rul.intervals import BIN_EDGES, IntervalWidths

CYCLES_DIMENSION = "cycles_given"
_OUTPUTS = ("remaining_life", "lower", "upper")


def to_onnx(
    boosters: Sequence[lgb.Booster], scaling: Scaling, widths: IntervalWidths, signature: str
) -> onnx.ModelProto:
    """Build the graph: feature nodes, the mean of all boosters, and interval nodes.

    Inputs: each sensor FLOAT [batch, cycles]. Outputs: `remaining_life`, `lower` and `upper`, FLOAT
    [batch]. Deterministic: the same boosters give the same bytes.
    """
    return to_model(
        "remaining_useful_life",
        [*_feature_nodes(), *_tree_nodes(boosters), *_interval_nodes()],
        [tensor_info(name, CYCLES_DIMENSION) for name in SENSORS],
        [tensor_info(name) for name in _OUTPUTS],
        _constants(scaling, widths),
        producer="models.rul",
        signature=signature,
    )


def _constants(scaling: Scaling, widths: IntervalWidths) -> dict[str, NDArray[np.generic]]:
    """Return the constants of the graph by name."""
    half_width_steps = np.diff(np.array(widths.half_widths, dtype=np.float32))
    return {
        "axis_1": np.array([1], dtype=np.int64),
        "axis_2": np.array([2], dtype=np.int64),
        "to_the_end": np.array([np.iinfo(np.int64).max], dtype=np.int64),
        **{
            f"last_{n}": np.array([-n], dtype=np.int64)
            for n in {*MEAN_WINDOWS, *SLOPE_WINDOWS, DRIFT_WINDOW}
        },
        "zero": np.array(0, dtype=np.float32),
        "number_0": np.array(0, dtype=np.int64),
        "number_1": np.array(1, dtype=np.int64),
        "place_0": np.array([0], dtype=np.int64),
        "place_1": np.array([1], dtype=np.int64),
        "cap": np.array(CAP, dtype=np.float32),
        "edges": np.array([BIN_EDGES], dtype=np.float32),
        "first_half_width": np.array(widths.half_widths[0], dtype=np.float32),
        "width_steps": half_width_steps.reshape(-1, 1),
        "centre": scaling.centre,
        "spread": scaling.spread,
        "steps": np.array(ROUNDING_STEPS),
        **{f"width_{n}": np.array(n, dtype=np.float32) for n in SLOPE_WINDOWS},
        "flat": np.array([-1], dtype=np.int64),
    }


def _feature_nodes() -> Iterator[NodeProto]:
    """Build the nodes that compute `features` [batch, features] from the sensors."""
    for name in SENSORS:
        yield make("Unsqueeze", [name, "axis_2"], [f"{name}_column"])
    yield make("Concat", [f"{name}_column" for name in SENSORS], ["readings"], axis=2)
    yield make("Sub", ["readings", "centre"], ["apart"])
    yield make("Div", ["apart", "spread"], ["history"])
    for width in sorted({*MEAN_WINDOWS, *SLOPE_WINDOWS, DRIFT_WINDOW}):
        yield make("Slice", ["history", f"last_{width}", "to_the_end", "axis_1"], [f"end_{width}"])
    for width in sorted({*MEAN_WINDOWS, DRIFT_WINDOW}):
        yield make("ReduceMean", [f"end_{width}"], [f"mean_{width}"], axes=[1], keepdims=0)
    for width in SLOPE_WINDOWS:
        yield from _rise_nodes(width)
    yield make("ReduceMean", ["history"], ["life"], axes=[1], keepdims=0)
    yield make("Sub", [f"mean_{DRIFT_WINDOW}", "life"], ["drift"])
    yield from _cycles_nodes()
    features = [
        *(f"mean_{n}" for n in MEAN_WINDOWS),
        *(f"rise_{n}" for n in SLOPE_WINDOWS),
        "drift",
    ]
    yield make("Concat", features, ["exact"], axis=1)
    yield make("Mul", ["exact", "steps"], ["exact_in_steps"])
    yield make("Round", ["exact_in_steps"], ["whole_steps"])
    yield make("Div", ["whole_steps", "steps"], ["told_exactly"])
    yield make("Concat", ["told_exactly", "cycles"], ["features"], axis=1)


def _rise_nodes(width: int) -> Iterator[NodeProto]:
    """Build the nodes that compute `rise_…` [batch, sensors]: least-squares slope times width."""
    rise = f"rise_{width}"
    yield make("Shape", [f"end_{width}"], [f"{rise}_shape"])
    yield make("Gather", [f"{rise}_shape", "number_1"], [f"{rise}_length"])
    yield make("Range", ["number_0", f"{rise}_length", "number_1"], [f"{rise}_places"])
    yield make("Cast", [f"{rise}_places"], [f"{rise}_numbers"], to=TensorProto.FLOAT)
    yield make("ReduceMean", [f"{rise}_numbers"], [f"{rise}_middle"], axes=[0], keepdims=1)
    yield make("Sub", [f"{rise}_numbers", f"{rise}_middle"], [f"{rise}_steps"])
    yield make("ReduceSumSquare", [f"{rise}_steps"], [f"{rise}_squares"], axes=[0], keepdims=1)
    yield make("Div", [f"{rise}_steps", f"{rise}_squares"], [f"{rise}_weights"])
    yield make("MatMul", [f"{rise}_weights", f"end_{width}"], [f"{rise}_slope"])
    yield make("Mul", [f"{rise}_slope", f"width_{width}"], [rise])


def _cycles_nodes() -> Iterator[NodeProto]:
    """Build the nodes that compute `cycles` [batch, 1], the length of the histories."""
    yield make("Shape", ["history"], ["history_shape"])
    yield make("Gather", ["history_shape", "number_1"], ["length"])
    yield make("Cast", ["length"], ["length_number"], to=TensorProto.FLOAT)
    yield make("Slice", ["life", "place_0", "place_1", "axis_1"], ["any_column"])
    yield make("Mul", ["any_column", "zero"], ["no_column"])
    yield make("Add", ["no_column", "length_number"], ["cycles"])


def _tree_nodes(boosters: Sequence[lgb.Booster]) -> Iterator[NodeProto]:
    """Build the nodes that compute `remaining` [batch, 1], clipped to 0 and CAP.

    It is NaN if a reading is not finite.
    """
    for number, booster in enumerate(boosters):
        yield tree_ensemble_node(booster, "features", [f"trees_{number}"])
    yield make("Mean", [f"trees_{number}" for number in range(len(boosters))], ["mean_of_trees"])
    yield make("Clip", ["mean_of_trees", "zero", "cap"], ["told"])
    yield from nan_guard_nodes("features")
    yield make("Add", ["told", "row_nothing_or_nan"], ["remaining"])


def _interval_nodes() -> Iterator[NodeProto]:
    """Build the nodes of the outputs `remaining_life`, `lower` and `upper`, [batch] each.

    The half width is the first bin's plus the difference at each bin edge below the prediction.
    """
    yield make("GreaterOrEqual", ["remaining", "edges"], ["reached"])
    yield make("Cast", ["reached"], ["reached_numbers"], to=TensorProto.FLOAT)
    yield make("MatMul", ["reached_numbers", "width_steps"], ["width_added"])
    yield make("Add", ["width_added", "first_half_width"], ["half_width"])
    yield make("Sub", ["remaining", "half_width"], ["lower_unbounded"])
    yield make("Add", ["remaining", "half_width"], ["upper_unbounded"])
    yield make("Clip", ["lower_unbounded", "zero", "cap"], ["lower_column"])
    yield make("Clip", ["upper_unbounded", "zero", "cap"], ["upper_column"])
    columns = ("remaining", "lower_column", "upper_column")
    for column, output in zip(columns, _OUTPUTS, strict=True):
        yield make("Reshape", [column, "flat"], [output])
