"""Creates tiny ONNX models with a signature."""

import json
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

SIGNATURE: dict[str, Any] = {
    "inputs": [
        {"name": "grade", "datatype": "BYTES", "values": ["L", "M", "H"]},
        {
            "name": "heat",
            "datatype": "FP32",
            "unit": "K",
            "description": "Temperature",
            "minimum": 250.0,
            "maximum": 350.0,
            "trained": [295.0, 305.0],
        },
        {"name": "count", "datatype": "INT64"},
    ],
    "outputs": [
        {"name": "doubled", "datatype": "FP32", "unit": "K"},
        {"name": "same", "datatype": "INT64"},
    ],
    "version": "3",
}


LISTS: dict[str, Any] = {
    "inputs": SIGNATURE["inputs"][:2],
    "outputs": [
        {"name": "grades", "datatype": "BYTES", "series": True},
        {"name": "heats", "datatype": "FP32", "series": True},
        {"name": "heat_again", "datatype": "FP32"},
    ],
    "version": "1",
}


def write_lists_artefact(path: Path) -> Path:
    """A model that returns each row's grade and heat as lists of two, and as [rows, 1]."""
    strings, floats = TensorProto.STRING, TensorProto.FLOAT
    nodes = [
        helper.make_node("Unsqueeze", ["grade", "axis"], ["grade_column"]),
        helper.make_node("Unsqueeze", ["heat", "axis"], ["heat_again"]),
        helper.make_node("Concat", ["grade_column"] * 2, ["grades"], axis=1),
        helper.make_node("Concat", ["heat_again"] * 2, ["heats"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "lists",
        [
            helper.make_tensor_value_info("grade", strings, ["rows"]),
            helper.make_tensor_value_info("heat", floats, ["rows"]),
        ],
        [
            helper.make_tensor_value_info("grades", strings, ["rows", 2]),
            helper.make_tensor_value_info("heats", floats, ["rows", 2]),
            helper.make_tensor_value_info("heat_again", floats, ["rows", 1]),
        ],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    helper.set_model_props(model, {"signature": json.dumps(LISTS)})
    onnx.save(model, str(path))
    return path


def write_artefact(path: Path, signature: str | None = None, wide: bool = False) -> Path:
    """A model that doubles `heat`, returns `count` and ignores the value of `grade`."""
    shape = ["rows", 1] if wide else ["rows"]
    inputs = [
        helper.make_tensor_value_info("grade", TensorProto.STRING, shape),
        helper.make_tensor_value_info("heat", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("count", TensorProto.INT64, shape),
    ]
    outputs = [
        helper.make_tensor_value_info("doubled", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("same", TensorProto.INT64, shape),
    ]
    nodes = [
        helper.make_node("Add", ["heat", "heat"], ["doubled"]),
        helper.make_node("Identity", ["count"], ["same"]),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    if signature is None:
        signature = json.dumps(SIGNATURE)
    if signature:
        helper.set_model_props(model, {"signature": signature})
    onnx.save(model, str(path))
    return path
