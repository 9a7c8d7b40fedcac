"""A picture as the backbone takes it, from the bytes that somebody sent.

Owns what counts as a picture, how large it may be before it is decoded, and the size that it is
brought to.
"""

import base64
import math
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Picture = NDArray[np.uint8]
"""[height, width, 3], red, green and blue."""

# Every picture comes to about so many pixels, its sides in proportion: that is what an answer
# costs, and a head must see at the same scale what it has learned.
AREA = 160 * 160
# Below, nothing is left to see; the bytes and pixels above, no line camera needs for one surface.
SHORTEST = 16
MOST_BYTES = 8 << 20
MOST_PIXELS = 25_000_000
MOST_ELONGATED = 16
# A decoder that is not offered cannot be attacked.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
# Modes that say in 8 bits what a surface looks like; what may be transparent is looked at.
_OPAQUE = frozenset({"1", "L", "RGB"})
_TRANSPARENT = frozenset({"P", "PA", "LA", "RGBA"})
_OPAQUE_ALPHA = 255
# A decoder or a scaler may halve a picture in cheap steps while it stays so many times too large.
_GAP = 2.0


class PictureInvalid(ValueError):
    """Why these are no picture that can be judged, to follow upon its name: `is empty`."""


def decoded(text: str) -> Picture:
    """The picture in base64, brought to size. Raises PictureInvalid."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise PictureInvalid("is not base64 of a picture's bytes and nothing else") from error
    return read(data)


def read(data: bytes) -> Picture:
    """The picture in a file's bytes, upright and brought to size. Raises PictureInvalid."""
    if not data:
        raise PictureInvalid("is empty")
    if len(data) > MOST_BYTES:
        raise PictureInvalid(f"has {len(data)} bytes; at most {MOST_BYTES} are taken")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            return _plain(image)
    except PictureInvalid:
        raise
    except UnidentifiedImageError as error:
        raise PictureInvalid(f"is no picture in {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureInvalid(f"has more than the {MOST_PIXELS} pixels that are taken") from error
    except Exception as error:  # the decoders raise a dozen classes, each for what is broken
        raise PictureInvalid("is damaged or cut off") from error


def fitted(image: Image.Image) -> Picture:
    """Brought to AREA in its own proportions, larger or smaller."""
    size = _size(image.size)
    scaled = image.convert("RGB").resize(size, Image.Resampling.BILINEAR, reducing_gap=_GAP)
    return np.array(scaled)


def mirrored(picture: Picture) -> tuple[Picture, ...]:
    """It and its three mirror images. They keep what runs along and what runs across apart, which
    quarter turns would not."""
    return picture, picture[:, ::-1], picture[::-1], picture[::-1, ::-1]


def _plain(image: Image.Image) -> Picture:
    """Decodes: everything that can be told from the header is refused before."""
    _require_size(*image.size)
    _require_eight_bits(image)
    if image.mode not in _OPAQUE | _TRANSPARENT:
        raise PictureInvalid(f"has colours as {image.mode}; save it as RGB or grey")
    # A second picture in a JPEG is the same in another size, for viewers.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise PictureInvalid("has several frames or pages; send each as a picture of its own")
    width, height = _size(image.size)
    image.draft(None, (round(width * _GAP), round(height * _GAP)))
    image.load()
    if image.mode in _TRANSPARENT:
        _require_opaque(image)
    return fitted(ImageOps.exif_transpose(image))


def _require_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise PictureInvalid(f"has {width} × {height} pixels; at most {MOST_PIXELS} are taken")
    if min(width, height) < SHORTEST:
        raise PictureInvalid(f"has {width} × {height} pixels; each side needs {SHORTEST} or more")
    if max(width, height) > MOST_ELONGATED * min(width, height):
        raise PictureInvalid(
            f"has {width} × {height} pixels, one side more than {MOST_ELONGATED} times the other; "
            "cut it into pieces"
        )


def _require_eight_bits(image: Image.Image) -> None:
    """Of 16 bits a camera may use 10, 12 or all: scaled by guess, a picture would be black."""
    deep = any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))
    if deep or image.mode.startswith(("I", "F")):
        raise PictureInvalid("has more than 8 bits a channel; scale it to 8 bits")


def _require_opaque(image: Image.Image) -> None:
    least, _ = image.convert("RGBA").getchannel("A").getextrema()
    if least != _OPAQUE_ALPHA:
        raise PictureInvalid("is transparent in places, where it has no colour")


def _size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of AREA pixels together."""
    width, height = size
    scale = math.sqrt(AREA / (width * height))
    return round(width * scale), round(height * scale)
