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
# must see pictures at the scale of its training.
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
# Number of views before those turned by a quarter (training_views).
UPRIGHT_VIEWS = 7
_COARSE_QUALITY = 40
_FAINT_CONTRAST = 0.5
_SMALL_SHARE = 0.2
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


def training_views(picture: Picture) -> tuple[Picture, ...]:
    """Return the views that a head learns a picture from; the picture itself is the first.

    The first UPRIGHT_VIEWS are its mirror images and three poorer copies, the others the mirror
    images turned by a quarter. Turns are apart because they mix up what runs along a strip and
    across it.
    """
    turned = mirror_images(np.rot90(picture))
    poorer = (coarse_copy(picture), faint_copy(picture), small_copy(picture))
    return (*mirror_images(picture), *poorer, *turned)


def mirror_images(picture: Picture) -> tuple[Picture, ...]:
    """Return the picture and its three mirror images."""
    return picture, picture[:, ::-1], picture[::-1], picture[::-1, ::-1]


def coarse_copy(picture: Picture) -> Picture:
    """Return the picture at half its size in a low JPEG quality, scaled up again.

    Fine texture is the first that compression takes away, and heads that never saw it missing
    mistake a compressed picture for another label.
    """
    image = Image.fromarray(picture)
    small = image.resize(
        (max(image.width // 2, 1), max(image.height // 2, 1)), Image.Resampling.BOX
    )
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
    size = (max(round(image.width * _SMALL_SHARE), 1), max(round(image.height * _SMALL_SHARE), 1))
    small = image.resize(size, Image.Resampling.BOX)
    return np.array(small.resize(image.size, Image.Resampling.BILINEAR))


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
