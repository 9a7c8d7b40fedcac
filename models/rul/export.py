"""The artefact: sensor histories in, remaining life and its interval out, as one ONNX graph.

The feature arithmetic of features.py is repeated here as ONNX nodes, so that any runtime takes a
machine's readings as they are.
"""

from collections.abc import Iterator, Sequence

import lightgbm as lgb
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from models.onnx_graph import make, nothing_or_nan, to_model, trees, value
from models.rul.data import CAP, SENSORS
from models.rul.features import MEANS, RECENT, SLOPES, STEPS, Scaling
from models.rul.intervals import EDGES, Widths

CYCLES = "cycles_given"
_OUTPUTS = ("remaining_life", "lower", "upper")


def to_onnx(
    boosters: Sequence[lgb.Booster], scaling: Scaling, widths: Widths, signature: str
) -> onnx.ModelProto:
    """The trees' mean between feature nodes and interval nodes.

    Inputs: each sensor FLOAT [batch, cycles]. Outputs: `remaining_life`, `lower` and `upper`, FLOAT
    [batch]. Same boosters, same bytes.
    """
    return to_model(
        "remaining_useful_life",
        [*_feature_nodes(), *_tree_nodes(boosters), *_interval_nodes()],
        [value(name, CYCLES) for name in SENSORS],
        [value(name) for name in _OUTPUTS],
        _constants(scaling, widths),
        producer="models.rul",
        signature=signature,
    )


def _constants(scaling: Scaling, widths: Widths) -> dict[str, NDArray[np.generic]]:
    steps = np.diff(np.array(widths.halves, dtype=np.float32))
    return {
        "axis_1": np.array([1], dtype=np.int64),
        "axis_2": np.array([2], dtype=np.int64),
        "to_the_end": np.array([np.iinfo(np.int64).max], dtype=np.int64),
        **{f"last_{n}": np.array([-n], dtype=np.int64) for n in {*MEANS, *SLOPES, RECENT}},
        "zero": np.array(0, dtype=np.float32),
        "number_0": np.array(0, dtype=np.int64),
        "number_1": np.array(1, dtype=np.int64),
        "place_0": np.array([0], dtype=np.int64),
        "place_1": np.array([1], dtype=np.int64),
        "cap": np.array(CAP, dtype=np.float32),
        "edges": np.array([EDGES], dtype=np.float32),
        "first_half_width": np.array(widths.halves[0], dtype=np.float32),
        "width_steps": steps.reshape(-1, 1),
        "centre": scaling.centre,
        "spread": scaling.spread,
        "steps": np.array(STEPS),
        **{f"width_{n}": np.array(n, dtype=np.float32) for n in SLOPES},
        "flat": np.array([-1], dtype=np.int64),
    }


def _feature_nodes() -> Iterator[NodeProto]:
    """`features` [batch, features] from the sensors [batch, cycles]."""
    for name in SENSORS:
        yield make("Unsqueeze", [name, "axis_2"], [f"{name}_column"])
    yield make("Concat", [f"{name}_column" for name in SENSORS], ["readings"], axis=2)
    yield make("Sub", ["readings", "centre"], ["apart"])
    yield make("Div", ["apart", "spread"], ["history"])
    for width in sorted({*MEANS, *SLOPES, RECENT}):
        yield make("Slice", ["history", f"last_{width}", "to_the_end", "axis_1"], [f"end_{width}"])
    for width in sorted({*MEANS, RECENT}):
        yield make("ReduceMean", [f"end_{width}"], [f"mean_{width}"], axes=[1], keepdims=0)
    for width in SLOPES:
        yield from _rise_nodes(width)
    yield make("ReduceMean", ["history"], ["life"], axes=[1], keepdims=0)
    yield make("Sub", [f"mean_{RECENT}", "life"], ["drift"])
    yield from _cycles_nodes()
    parts = [*(f"mean_{n}" for n in MEANS), *(f"rise_{n}" for n in SLOPES), "drift"]
    yield make("Concat", parts, ["exact"], axis=1)
    yield make("Mul", ["exact", "steps"], ["exact_in_steps"])
    yield make("Round", ["exact_in_steps"], ["whole_steps"])
    yield make("Div", ["whole_steps", "steps"], ["told_exactly"])
    yield make("Concat", ["told_exactly", "cycles"], ["features"], axis=1)


def _rise_nodes(width: int) -> Iterator[NodeProto]:
    """`rise_…` [batch, sensors]: steps from the middle of the end, times the readings."""
    name = f"rise_{width}"
    yield make("Shape", [f"end_{width}"], [f"{name}_shape"])
    yield make("Gather", [f"{name}_shape", "number_1"], [f"{name}_length"])
    yield make("Range", ["number_0", f"{name}_length", "number_1"], [f"{name}_places"])
    yield make("Cast", [f"{name}_places"], [f"{name}_numbers"], to=TensorProto.FLOAT)
    yield make("ReduceMean", [f"{name}_numbers"], [f"{name}_middle"], axes=[0], keepdims=1)
    yield make("Sub", [f"{name}_numbers", f"{name}_middle"], [f"{name}_steps"])
    yield make("ReduceSumSquare", [f"{name}_steps"], [f"{name}_squares"], axes=[0], keepdims=1)
    yield make("Div", [f"{name}_steps", f"{name}_squares"], [f"{name}_weights"])
    yield make("MatMul", [f"{name}_weights", f"end_{width}"], [f"{name}_slope"])
    yield make("Mul", [f"{name}_slope", f"width_{width}"], [name])


def _cycles_nodes() -> Iterator[NodeProto]:
    """`cycles` [batch, 1]: how long the histories are."""
    yield make("Shape", ["history"], ["history_shape"])
    yield make("Gather", ["history_shape", "number_1"], ["length"])
    yield make("Cast", ["length"], ["length_number"], to=TensorProto.FLOAT)
    yield make("Slice", ["life", "place_0", "place_1", "axis_1"], ["any_column"])
    yield make("Mul", ["any_column", "zero"], ["no_column"])
    yield make("Add", ["no_column", "length_number"], ["cycles"])


def _tree_nodes(boosters: Sequence[lgb.Booster]) -> Iterator[NodeProto]:
    """`remaining` [batch, 1], within 0 and the cap; NaN where a reading is none."""
    for number, booster in enumerate(boosters):
        yield trees(booster, "features", [f"trees_{number}"])
    yield make("Mean", [f"trees_{number}" for number in range(len(boosters))], ["mean_of_trees"])
    yield make("Clip", ["mean_of_trees", "zero", "cap"], ["told"])
    yield from nothing_or_nan("features")
    yield make("Add", ["told", "row_nothing_or_nan"], ["remaining"])


def _interval_nodes() -> Iterator[NodeProto]:
    """The three outputs [batch]. Each edge that is reached adds its step to the width."""
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
