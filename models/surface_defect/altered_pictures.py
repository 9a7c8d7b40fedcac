"""Altered pictures and pictures of no surface, on which heads are evaluated."""

from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]
Alteration = Callable[[Grey], NDArray[Any]]


def _scale(grey: Grey, factor: float) -> Grey:
    """Return the picture with its sides scaled by a factor."""
    side = round(len(grey) * factor)
    return np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BICUBIC))


def _compress(grey: Grey, quality: int) -> Grey:
    """Return the picture after saving it as a JPEG."""
    file = BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=quality)
    with Image.open(file) as compressed:
        return np.array(compressed)


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {
        "a fifth darker": lambda grey: grey * 0.8,
        "a fifth brighter": lambda grey: grey * 1.2,
        "half the contrast": lambda grey: grey.mean() + (grey - grey.mean()) * 0.5,
        "turned by 90 degrees": np.rot90,
        "turned by 180 degrees": lambda grey: grey[::-1, ::-1],
        "turned by 270 degrees": lambda grey: np.rot90(grey, 3),
        "half the size": lambda grey: _scale(grey, 0.5),
        "twice the size": lambda grey: _scale(grey, 2),
        "JPEG of quality 50": lambda grey: _compress(grey, 50),
        "JPEG of quality 20": lambda grey: _compress(grey, 20),
    }
)


def alter_picture(grey: Grey, alter: Alteration) -> Grey:
    """Return an altered picture."""
    return _to_uint8(alter(grey))


def non_surface_pictures(seed: int) -> Iterator[Grey]:
    """Yield pictures of no surface: covered lens, blank screen, gradients, patterns, noise."""
    rows, columns = np.indices((64, 64))
    generator = np.random.default_rng(seed)
    for step in range(1, 6):
        yield _to_uint8(np.full((64, 64), 50 * step))
        yield _to_uint8(rows * 0.8 * step)
        yield _to_uint8(120 + 100 * np.sin(columns * step / 3))
        yield _to_uint8((rows // (3 * step) + columns // (3 * step)) % 2 * 200)
        yield _to_uint8(128 + 10 * step * generator.normal(size=(64, 64)))


def _to_uint8(values: NDArray[Any]) -> Grey:
    """Round and clip pixel values to uint8."""
    return np.asarray(np.clip(np.round(values), 0, 255), dtype=np.uint8)
