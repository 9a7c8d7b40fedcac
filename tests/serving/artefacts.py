"""Tiny ONNX models with a signature, made on the spot."""

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


def write_artefact(path: Path, signature: str | None = None, wide: bool = False) -> Path:
    """A model that doubles `heat`, returns `count` and only looks at `grade`."""
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
