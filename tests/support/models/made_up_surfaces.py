"""Synthetic surfaces: three textures, image files of them, and a backbone of a few sums.

Not a model of real surfaces or of the real backbone.
"""

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from models.surface_defect.backbone import IDENTITY_KEY, INPUT_NAME, OUTPUT_NAME

LABELS = ("brushed", "pitted", "rough")
WIDTH = 12

Grey = NDArray[np.uint8]


def surface(label: str, seed: int, height: int = 96, width: int = 120) -> Grey:
    """One image, [height, width]."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(height, width))
    match label:
        case "brushed":
            lines = generator.normal(size=(height, 1)) * 30
            seen = 130 + lines + 4 * noise
        case "pitted":
            rows, columns = np.indices((height, width))
            seen = 150 + 4 * noise
            for _ in range(12):
                y, x = generator.integers(height), generator.integers(width)
                seen[(rows - y) ** 2 + (columns - x) ** 2 < 16] -= 90
        case _:
            seen = 120 + 30 * noise
    return np.asarray(np.clip(seen, 0, 255), dtype=np.uint8)


def file_of(pixels: NDArray[Any], kind: str = "PNG", **settings: Any) -> bytes:
    """The file of an image."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind, **settings)
    return file.getvalue()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def line(label: str, seed: int, **more: Any) -> dict[str, Any]:
    """A line of a training file."""
    return {"image": base64_of(file_of(surface(label, seed))), "label": label, **more}


def lines(each: int) -> list[dict[str, Any]]:
    """Lines of a number of images per label."""
    return [line(label, seed) for label in LABELS for seed in range(each)]


def training_file(*given: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(one) for one in given).encode()


def write_backbone(path: Path, identity: str = "made up") -> Path:
    """A backbone of mean and spread per colour and mean differences of neighbouring pixels."""
    make = helper.make_node
    over = {"axes": [1, 2], "keepdims": 0}
    nodes = [
        make("Cast", [INPUT_NAME], ["numbers"], to=TensorProto.FLOAT),
        make("ReduceMean", ["numbers"], ["mean"], **over),
        make("ReduceMean", ["numbers"], ["kept"], axes=[1, 2], keepdims=1),
        make("Sub", ["numbers", "kept"], ["apart"]),
        make("ReduceL2", ["apart"], ["spread"], **over),
    ]
    constants = {"zero": [0], "one": [1], "most": [100_000], "before": [-1]}
    for axis in (1, 2):
        constants[f"axis_{axis}"] = [axis]
        nodes += [
            make("Slice", ["numbers", "one", "most", f"axis_{axis}"], [f"next_{axis}"]),
            make("Slice", ["numbers", "zero", "before", f"axis_{axis}"], [f"this_{axis}"]),
            make("Sub", [f"next_{axis}", f"this_{axis}"], [f"step_{axis}"]),
            make("Abs", [f"step_{axis}"], [f"size_{axis}"]),
            make("ReduceMean", [f"size_{axis}"], [f"rough_{axis}"], **over),
        ]
    nodes.append(make("Concat", ["mean", "spread", "rough_1", "rough_2"], [OUTPUT_NAME], axis=1))
    size: tuple[str | int, ...] = ("pictures", "height", "width", 3)
    graph = helper.make_graph(
        nodes,
        "made_up",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, size)],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ("pictures", WIDTH))],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 15)])
    helper.set_model_props(model, {IDENTITY_KEY: identity})
    onnx.save(model, path)
    return path
