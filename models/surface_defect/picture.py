"""Decode and resize pictures for the backbone.

Size, format and colour depth are checked from the header, before any pixel is decoded.
"""

import base64
import math
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.sentences import sentence

Picture = NDArray[np.uint8]
"""RGB pixels of a picture, [height, width, 3]."""

# Number of pixels after resizing, aspect ratio kept. It determines the inference cost, and a head
# must see pictures at the scale of its training. 224 × 224 pixels cost twice as much, for
# half a point more on drawn boards and less on steel.
TARGET_PIXELS = 160 * 160
# Limits of a picture before it is resized; sides in pixels.
MIN_SIDE = 16
MAX_BYTES = 8 << 20
MAX_PIXELS = 25_000_000
MAX_ASPECT_RATIO = 16
# Other decoders stay disabled to reduce the attack surface.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
# Accepted 8-bit modes; pictures in transparent modes are checked for transparent pixels.
_OPAQUE = frozenset({"1", "L", "RGB"})
_TRANSPARENT = frozenset({"P", "PA", "LA", "RGBA"})
_OPAQUE_ALPHA = 255
# Pillow's reducing_gap: fast downscaling stops at this multiple of the target size.
_REDUCING_GAP = 2.0


class PictureInvalid(ValueError):
    """The data is no usable picture; the message continues its name: `is empty`."""


def decode_base64(text: str) -> Picture:
    """Decode a picture in base64 and resize it. Raises PictureInvalid."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise PictureInvalid(sentence("is not the base64 of an image")) from error
    return decode_picture(data)


def decode_picture(data: bytes) -> Picture:
    """Decode a picture file, rotate it upright and resize it. Raises PictureInvalid."""
    if not data:
        raise PictureInvalid(sentence("is empty"))
    if len(data) > MAX_BYTES:
        raise PictureInvalid(
            sentence(
                "has {count} bytes; at most {most} are allowed", count=len(data), most=MAX_BYTES
            )
        )
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            return _load_checked(image)
    except PictureInvalid:
        raise
    except UnidentifiedImageError as error:
        raise PictureInvalid(
            sentence("is not an image in one of the formats {formats}", formats=", ".join(FORMATS))
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureInvalid(
            sentence("has more than the allowed {most} pixels", most=MAX_PIXELS)
        ) from error
    except Exception as error:  # Pillow's decoders raise many different classes
        raise PictureInvalid(sentence("is damaged or truncated")) from error


def resize(image: Image.Image) -> Picture:
    """Convert to RGB and resize to TARGET_PIXELS, keeping the aspect ratio."""
    size = _target_size(image.size)
    scaled = image.convert("RGB").resize(
        size, Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP
    )
    return np.array(scaled)


def _load_checked(image: Image.Image) -> Picture:
    """Check the header, decode, rotate upright and resize. Raises PictureInvalid."""
    _require_size(*image.size)
    _require_eight_bits(image)
    if image.mode not in _OPAQUE | _TRANSPARENT:
        raise PictureInvalid(
            sentence("has the colour mode {mode}; save it as RGB or greyscale", mode=image.mode)
        )
    # The second picture of an MPO file is a preview of the first.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise PictureInvalid(sentence("has several frames or pages; send each as a separate image"))
    width, height = _target_size(image.size)
    image.draft(None, (round(width * _REDUCING_GAP), round(height * _REDUCING_GAP)))
    image.load()
    if image.mode in _TRANSPARENT:
        _require_opaque(image)
    return resize(ImageOps.exif_transpose(image))


def _require_size(width: int, height: int) -> None:
    """Raise PictureInvalid for too many pixels, a short side or an extreme aspect ratio."""
    if width * height > MAX_PIXELS:
        raise PictureInvalid(
            sentence(
                "has {width} × {height} pixels; at most {most} are allowed",
                width=width,
                height=height,
                most=MAX_PIXELS,
            )
        )
    if min(width, height) < MIN_SIDE:
        raise PictureInvalid(
            sentence(
                "has {width} × {height} pixels; each side needs at least {least}",
                width=width,
                height=height,
                least=MIN_SIDE,
            )
        )
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise PictureInvalid(
            sentence(
                "has {width} × {height} pixels, one side more than {ratio} times the "
                "other; crop it",
                width=width,
                height=height,
                ratio=MAX_ASPECT_RATIO,
            )
        )


def _require_eight_bits(image: Image.Image) -> None:
    """Raise PictureInvalid for more than 8 bits a channel.

    A camera may use 10, 12 or all 16 bits: scaled by a guess, a picture could become black.
    """
    deep = any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))
    if deep or image.mode.startswith(("I", "F")):
        raise PictureInvalid(sentence("has more than 8 bits per channel; convert it to 8 bits"))


def _require_opaque(image: Image.Image) -> None:
    """Raise PictureInvalid if a pixel is transparent."""
    min_alpha, _ = image.convert("RGBA").getchannel("A").getextrema()
    if min_alpha != _OPAQUE_ALPHA:
        raise PictureInvalid(sentence("has transparent pixels; save it without transparency"))


def _target_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of about TARGET_PIXELS in total."""
    width, height = size
    scale = math.sqrt(TARGET_PIXELS / (width * height))
    return round(width * scale), round(height * scale)
