"""Find near copies among pictures: the same photograph saved again, resized, mirrored or turned.

A head that was fitted on a copy of a held-out picture knows it already, so copies are kept on one
side of the evaluation.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.surface_defect.picture import Picture

Groups = NDArray[np.intp]
"""The first picture of each picture's group of near copies, [pictures]; its own if it has none."""

# Pictures are compared at this size, without the means of blocks: light that falls off to one side
# would make all pictures of blank parts alike.
_SIDE, _BLOCK = 32, 8
# Correlation from which two pictures are copies of one photograph. Measured on 725 NEU pictures:
# 0.95 or less between different ones; of copies, 0.98 or more when resized or saved as a JPEG of
# quality 90, and 0.96 or more for nine in ten of quality 50.
_MIN_CORRELATION = 0.96
# Deviation in grey levels below which a picture has nothing to compare.
_MIN_DEVIATION = 0.5

_Details = NDArray[np.float32]


def find_near_copies(pictures: Sequence[Picture]) -> Groups:
    """Return the group of each picture. Compares all pairs, in all mirror images and turns."""
    count = len(pictures)
    if not count:
        return np.empty(0, dtype=np.intp)
    details = np.stack([_details(picture) for picture in pictures])
    flat = details.reshape(count, -1)
    alike = np.eye(count, dtype=np.bool_)
    for turned in _orientations(details):
        alike |= flat @ turned.reshape(count, -1).T >= _MIN_CORRELATION
    return _first_of_group(alike)


def _first_of_group(alike: NDArray[np.bool_]) -> Groups:
    """Return the first picture that each one is linked to, over any number of others.

    `alike` is symmetric, [pictures, pictures]. Without SciPy, which the gateway does not import.
    """
    first = np.arange(len(alike))
    alike = alike | alike.T
    while True:
        linked = np.where(alike, first, len(alike)).min(axis=1)
        if np.array_equal(linked, first):
            return np.asarray(first, dtype=np.intp)
        first = linked


def _details(picture: Picture) -> _Details:
    """Return the picture's grey values without coarse light, of unit norm, [_SIDE, _SIDE]."""
    small = Image.fromarray(picture).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    blocks = np.asarray(small, dtype=np.float32).reshape(
        _SIDE // _BLOCK, _BLOCK, _SIDE // _BLOCK, _BLOCK
    )
    details = (blocks - blocks.mean(axis=(1, 3), keepdims=True)).reshape(_SIDE, _SIDE)
    if details.std() < _MIN_DEVIATION:
        return np.zeros_like(details)
    return np.asarray(details / np.linalg.norm(details), dtype=np.float32)


def _orientations(details: _Details) -> list[_Details]:
    """Return the pictures [pictures, side, side] in the eight orientations of a square."""
    turns = [np.rot90(details, turn, axes=(1, 2)) for turn in range(4)]
    return [np.ascontiguousarray(one) for turn in turns for one in (turn, turn[:, :, ::-1])]
