"""Views of a training picture: as it may come next time, from another side or in poorer quality."""

import math
from enum import Enum
from io import BytesIO

import numpy as np
from PIL import Image

from models.surface_defect.picture import Picture

# Of more pictures, fewer views of each are learned: a training stays within minutes, and other
# pictures show what views would.
_MOST_WITH_ALL_VIEWS = 500
# Shares of the sides that the two copies with less detail keep.
_COARSE_SHARE, _SMALL_SHARE = 0.4, 0.2
_COARSE_QUALITY = 25
_FAINT_CONTRAST = 0.5
# A camera mounted anew: degrees it is tilted by, and how much closer or farther it is.
_TILTS = (-6.0, 6.0)
_ZOOMS = (0.87, 1.15)
# Part of the longer side by which a picture is continued beyond its edges, mirrored: as much as
# the tilts and zooms above can show.
_MARGIN_SHARE = 0.08


class ViewPlan(Enum):
    """Which views of a picture are learned; the value is the number of upright ones.

    ALL: four mirror images, three poorer copies, and the picture tilted and zoomed, twice each;
    then four turned ones. FEW: two mirror images and the poorer copies; then two turned ones.
    """

    ALL = 11
    FEW = 5


def plan_views(pictures: int) -> ViewPlan:
    """Return the views that are learned of each picture, given the number of pictures."""
    return ViewPlan.ALL if pictures <= _MOST_WITH_ALL_VIEWS else ViewPlan.FEW


def training_views(picture: Picture, plan: ViewPlan = ViewPlan.ALL) -> tuple[Picture, ...]:
    """Return the views that a head learns a picture from; the picture itself is the first.

    The upright views come first, then mirror images turned by a quarter. Turns are apart because
    they mix up what runs along a strip and across it.
    """
    poorer = (coarse_copy(picture), faint_copy(picture), small_copy(picture))
    upright, turned = mirror_images(picture), mirror_images(np.rot90(picture))
    if plan is ViewPlan.FEW:
        return (*upright[:2], *poorer, *turned[:2])
    tilted = (moved_copy(picture, tilt, 1.0) for tilt in _TILTS)
    zoomed = (moved_copy(picture, 0.0, zoom) for zoom in _ZOOMS)
    return (*upright, *poorer, *tilted, *zoomed, *turned)


def mirror_images(picture: Picture) -> tuple[Picture, ...]:
    """Return the picture and its three mirror images."""
    return picture, picture[:, ::-1], picture[::-1], picture[::-1, ::-1]


def coarse_copy(picture: Picture) -> Picture:
    """Return the picture at two fifths of its size in a low JPEG quality, scaled up again.

    Fine texture is the first that compression takes away, and heads that never saw it missing
    mistake a compressed picture for another label.
    """
    image = Image.fromarray(picture)
    small = image.resize(_part(image, _COARSE_SHARE), Image.Resampling.BOX)
    file = BytesIO()
    small.save(file, "JPEG", quality=_COARSE_QUALITY)
    with Image.open(file, formats=("JPEG",)) as coarse:
        return np.array(coarse.convert("RGB").resize(image.size, Image.Resampling.BILINEAR))


def faint_copy(picture: Picture) -> Picture:
    """Return the picture with half of its contrast, as in poorer light or with a longer exposure.

    Each colour keeps its mean. Heads that never saw it take the loss of contrast for another label.
    """
    means = picture.mean(axis=(0, 1), keepdims=True)
    return np.asarray(np.round(means + (picture - means) * _FAINT_CONTRAST), dtype=np.uint8)


def small_copy(picture: Picture) -> Picture:
    """Return the picture at a fifth of its size, scaled up again: a camera with fewer pixels."""
    image = Image.fromarray(picture)
    small = image.resize(_part(image, _SMALL_SHARE), Image.Resampling.BOX)
    return np.array(small.resize(image.size, Image.Resampling.BILINEAR))


def moved_copy(picture: Picture, degrees: float, zoom: float) -> Picture:
    """Return the picture tilted around its middle and zoomed, of the same size.

    Beyond the edges the picture is mirrored.
    """
    height, width, _ = picture.shape
    margin = math.ceil(_MARGIN_SHARE * max(height, width))
    wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    image = Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR)
    across, down = width / zoom / 2, height / zoom / 2
    left, top = image.width / 2, image.height / 2
    box = (left - across, top - down, left + across, top + down)
    return np.array(image.resize((width, height), Image.Resampling.BILINEAR, box=box))


def _part(image: Image.Image, share: float) -> tuple[int, int]:
    """Return the width and height of a share of the image's sides, each at least 1."""
    return max(round(image.width * share), 1), max(round(image.height * share), 1)
