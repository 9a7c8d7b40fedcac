"""Read scanned pages of PDF files and pictures of pages (PNG, JPEG) by text recognition.

A scanned page is one without a usable text layer. Pages are rendered and recognised one after the
other, within limits of pages, pixels and processor time. Runs in the process of
gateway/retrieval/chunker_process.py, which limits memory.
"""

import io
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image as Pictures
from PIL import ImageOps, UnidentifiedImageError

from gateway.retrieval.ocr.page_reader import PageReader
from gateway.retrieval.ocr.weights import Image, OcrMissing, load_models, require_ocr
from infra.lazy_import import LazyModule

pdfium: Any = LazyModule("pypdfium2")

_MAX_SCANNED_PAGES = 60
_MAX_CPU_S = 200.0
_DPI = 150
_POINTS_PER_INCH = 72
# A1 at 150 dpi. Larger pages are rendered with fewer dots per inch.
_MAX_PAGE_PIXELS = 18_000_000
_MAX_PICTURE_PIXELS = 60_000_000
# Text of this height is read from a phone's photo; the rest of its pixels is noise.
_MAX_PICTURE_SIDE = 3_000
# Fewer letters and digits on a page with a picture are a scanner's stamp or a page number.
_MIN_TEXT = 30
_MIN_PICTURE_SHARE = 0.5
_PICTURE_OBJECT = 3  # FPDF_PAGEOBJ_IMAGE
_FORMATS = ("PNG", "JPEG", "MPO")
# What Pillow raises on damaged or huge files.
_DAMAGED = (
    UnidentifiedImageError,
    Pictures.DecompressionBombError,
    Pictures.DecompressionBombWarning,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    SyntaxError,
    EOFError,
    OverflowError,
    RuntimeError,
)


class ScanInvalid(Exception):
    """The file cannot be recognised: damaged, too large, or without text; the message says which.

    Also raised if the extra with the recognition models is not installed.
    """


def read_picture(content: bytes) -> str:
    """Return the text of a PNG or JPEG picture of a page. Raises ScanInvalid."""
    text = _load_reader().read(_decode_picture(content))
    if not text:
        raise ScanInvalid("No text was recognised in the picture.")
    return text


def read_scanned_pages(content: bytes, texts: Sequence[str]) -> list[str]:
    """Return the text of each page of a PDF, given its text layer per page.

    Pages with a text layer keep it. Without the extra, scanned pages of a file that also has text
    are left empty; so they are if only the other reader (pypdf) can open the file. Raises
    ScanInvalid.
    """
    if all(_text_length(text) >= _MIN_TEXT for text in texts):
        return list(texts)
    has_text = any(text.strip() for text in texts)
    try:
        require_ocr()
        with pdfium.PdfDocument(content) as document:
            return _read_pages(document, texts)
    except OcrMissing as error:
        if has_text:
            return list(texts)
        raise ScanInvalid(str(error)) from error
    except pdfium.PdfiumError as error:
        if has_text:
            return list(texts)
        raise ScanInvalid("The PDF is damaged or encrypted.") from error


def _load_reader() -> PageReader:
    """Load the recognition models. Raises ScanInvalid if they are not installed."""
    try:
        return PageReader(load_models())
    except OcrMissing as error:
        raise ScanInvalid(str(error)) from error


def _read_pages(document: Any, texts: Sequence[str]) -> list[str]:
    """Recognise the scanned pages; the others keep their text. Raises ScanInvalid."""
    scanned = [
        number
        for number, text in enumerate(texts[: len(document)])
        if _text_length(text) < _MIN_TEXT and _is_scanned(document[number], text)
    ]
    if len(scanned) > _MAX_SCANNED_PAGES:
        raise ScanInvalid(
            f"The PDF has {len(scanned)} scanned pages; at most {_MAX_SCANNED_PAGES} are "
            "recognised per file. Split the file."
        )
    if not scanned:
        return list(texts)
    reader, pages, deadline = _load_reader(), list(texts), time.process_time() + _MAX_CPU_S
    for number in scanned:
        if time.process_time() > deadline:
            raise ScanInvalid(
                f"Recognising the scanned pages takes more than {_MAX_CPU_S:.0f} s. Split the file."
            )
        recognised = reader.read(_render(document[number]))
        if _text_length(recognised) > _text_length(texts[number]):
            pages[number] = recognised
    return pages


def _text_length(text: str) -> int:
    """Return the number of letters and digits; a broken text layer has few."""
    return sum(map(str.isalnum, text))


def _is_scanned(page: Any, text: str) -> bool:
    """Return whether a page shows a picture of text, or text as drawn outlines."""
    if not _text_length(text):
        return next(iter(page.get_objects(max_depth=1)), None) is not None
    width, height = page.get_size()
    for picture in page.get_objects(filter=(_PICTURE_OBJECT,), max_depth=3):
        left, bottom, right, top = picture.get_bounds()
        if (right - left) * (top - bottom) >= _MIN_PICTURE_SHARE * width * height:
            return True
    return False


def _render(page: Any) -> Image:
    """Render a page as it is displayed, at 150 dpi or what the limit of pixels allows."""
    width, height = (max(1.0, side / _POINTS_PER_INCH) for side in page.get_size())
    dpi = min(_DPI, (_MAX_PAGE_PIXELS / (width * height)) ** 0.5)
    bitmap = page.render(scale=dpi / _POINTS_PER_INCH, force_bitmap_format=2)  # FPDFBitmap_BGR
    try:
        pixels: Image = bitmap.to_numpy().copy()
        return pixels
    finally:
        bitmap.close()


def _decode_picture(content: bytes) -> Image:
    """Decode a picture, turned as its camera says. Raises ScanInvalid."""
    try:
        with Pictures.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if picture.width * picture.height > _MAX_PICTURE_PIXELS:
                raise ScanInvalid(
                    f"The picture has more than {_MAX_PICTURE_PIXELS // 1_000_000} megapixels."
                )
            picture.draft("RGB", (_MAX_PICTURE_SIDE, _MAX_PICTURE_SIDE))
            return _to_pixels(picture)
    except _DAMAGED as error:
        raise ScanInvalid("The picture is damaged, or is not a PNG or JPEG file.") from error


def _to_pixels(picture: Pictures.Image) -> Image:
    """Return the pixels, on white where the picture is transparent, and not larger than needed."""
    picture.thumbnail((_MAX_PICTURE_SIDE, _MAX_PICTURE_SIDE))
    upright = ImageOps.exif_transpose(picture).convert("RGBA")
    page = Pictures.new("RGBA", upright.size, "white")
    page.alpha_composite(upright)
    return np.ascontiguousarray(np.asarray(page.convert("RGB"))[:, :, ::-1])
