"""Synthetic surfaces: three textures, image files of them, and a backbone of a few sums.

Not a model of real surfaces or of the real backbone.
"""

import base64
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from PIL import Image

from models.surface_defect.backbone import IDENTITY_KEY, INPUT_NAME, MAP_PREFIX, OUTPUT_NAME

LABELS = ("brushed", "pitted", "rough")
WIDTH = 18

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


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of files by their paths."""
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return file.getvalue()


def folders(each: int) -> dict[str, bytes]:
    """Files of a number of images per label, in a folder for each label."""
    return {
        f"{label}/{seed}.png": file_of(surface(label, seed))
        for label in LABELS
        for seed in range(each)
    }


def training_file(*given: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(one) for one in given).encode()


def write_backbone(path: Path, identity: str = "made up") -> Path:
    """A backbone of mean and deviation of the colours and of neighbouring pixels' differences.

    The second map has a row and a column less than the picture.
    """
    make = helper.make_node
    colours, steps = (f"{MAP_PREFIX}{at}" for at in range(2))
    nodes = [
        make("Cast", [INPUT_NAME], ["numbers"], to=TensorProto.FLOAT),
        make("Transpose", ["numbers"], [colours], perm=[0, 3, 1, 2]),
        make("Slice", [colours, "first", "last", "axes"], ["here"]),
    ]
    for name in ("below", "beside"):
        nodes += [
            make("Slice", [colours, f"{name}_start", f"{name}_end", "axes"], [name]),
            make("Sub", [name, "here"], [f"{name}_change"]),
            make("Abs", [f"{name}_change"], [f"{name}_size"]),
        ]
    nodes.append(make("Concat", ["below_size", "beside_size"], [steps], axis=1))
    moments: list[str] = []
    for source in (colours, steps):
        nodes += _moments(source)
        moments += [f"{source}_mean", f"{source}_deviation"]
    nodes.append(make("Concat", moments, [OUTPUT_NAME], axis=1))
    onnx.save(_model(nodes, {colours: 3, steps: 6}, identity), path)
    return path


_END = 1 << 20
_CONSTANTS = {
    "axes": [2, 3],
    "first": [0, 0],
    "last": [-1, -1],
    "below_start": [1, 0],
    "below_end": [_END, -1],
    "beside_start": [0, 1],
    "beside_end": [-1, _END],
}


def _moments(source: str) -> list[NodeProto]:
    """Nodes of the mean and the deviation of each channel."""
    make = helper.make_node
    return [
        make("ReduceMean", [source], [f"{source}_mean"], axes=[2, 3], keepdims=0),
        make("ReduceMean", [source], [f"{source}_kept"], axes=[2, 3], keepdims=1),
        make("Sub", [source, f"{source}_kept"], [f"{source}_apart"]),
        make("Mul", [f"{source}_apart", f"{source}_apart"], [f"{source}_squares"]),
        make("ReduceMean", [f"{source}_squares"], [f"{source}_variance"], axes=[2, 3], keepdims=0),
        make("Sqrt", [f"{source}_variance"], [f"{source}_deviation"]),
    ]


def _model(nodes: list[NodeProto], maps: Mapping[str, int], identity: str) -> onnx.ModelProto:
    """The graph with its outputs: features, then maps by their number of channels."""
    size: tuple[str | int, ...] = ("pictures", "height", "width", 3)
    shapes: dict[str, tuple[str | int, ...]] = {OUTPUT_NAME: ("pictures", WIDTH)}
    shapes |= {name: ("pictures", count, f"{name}_h", f"{name}_w") for name, count in maps.items()}
    graph = helper.make_graph(
        nodes,
        "made_up",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, size)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, one)
            for name, one in shapes.items()
        ],
        [numpy_helper.from_array(np.array(value), name) for name, value in _CONSTANTS.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 15)])
    helper.set_model_props(model, {IDENTITY_KEY: identity})
    return model
