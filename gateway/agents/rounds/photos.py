"""Photos of rounds: checked, turned upright, reduced, and stored without their metadata.

Metadata of phones has positions and names of people; only the picture is kept.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from gateway.agents.rounds.errors import RoundPhotoInvalid
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    from PIL import Image, ImageOps
else:
    Image, ImageOps = LazyModule("PIL.Image"), LazyModule("PIL.ImageOps")

MAX_BYTES, MAX_PIXELS, MIN_SIDE, MAX_SIDE = 12 << 20, 50_000_000, 16, 1_600
FORMATS = ("JPEG", "PNG", "WEBP")
_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is stored: a JPEG file, with width and height in pixels."""

    content: bytes
    width: int
    height: int


def read_photo(content: bytes) -> Photo:
    """Return a photo that can be stored. Raises RoundPhotoInvalid.

    Takes up to a second of processor time for the largest photos: call it in a thread.
    """
    if not 0 < len(content) <= MAX_BYTES:
        raise RoundPhotoInvalid(f"A photo has 1 to {MAX_BYTES >> 20} MiB.", param="photo")
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            _require_size(*image.size)
            image.draft("RGB", (MAX_SIDE, MAX_SIDE))
            upright = ImageOps.exif_transpose(image)
            return _stored(upright)
    except RoundPhotoInvalid:
        raise
    except Exception as error:  # Pillow's decoders raise many different classes
        text = f"The file is damaged, truncated, or none of {', '.join(FORMATS)}."
        raise RoundPhotoInvalid(text, param="photo") from error


def _stored(image: "Image.Image") -> Photo:
    """Return a picture as JPEG, reduced to MAX_SIDE, on white where it is transparent."""
    if image.mode in ("RGBA", "LA", "P", "PA"):
        layer = image.convert("RGBA")
        image = Image.new("RGB", layer.size, "white")
        image.paste(layer, mask=layer.getchannel("A"))
    image = image.convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    file = BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return Photo(file.getvalue(), *image.size)


def _require_size(width: int, height: int) -> None:
    """Raise RoundPhotoInvalid for a picture that is too small or has too many pixels."""
    if min(width, height) < MIN_SIDE:
        raise RoundPhotoInvalid(f"A photo has at least {MIN_SIDE} pixels a side.", param="photo")
    if width * height > MAX_PIXELS:
        most = MAX_PIXELS // 1_000_000
        raise RoundPhotoInvalid(f"A photo has at most {most} megapixels.", param="photo")
