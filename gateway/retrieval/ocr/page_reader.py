"""Read the text of a page image: find lines, turn the page upright, recognise, order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.retrieval.ocr.detection import Quads, detect_lines
from gateway.retrieval.ocr.reading_order import PlacedText, join_in_order
from gateway.retrieval.ocr.recognition import LineText, crop_lines, recognise_lines, upside_down
from gateway.retrieval.ocr.weights import Image, OcrModels

# Lines below are mostly specks, logos and halftone.
_MIN_CONFIDENCE = 0.6
# The longest lines of a page tell whether it is upside down.
_ORIENTATION_LINES = 12
_MIN_CONTRAST = 24


@dataclass(frozen=True, slots=True)
class PageReader:
    """Recognises page images, one at a time."""

    models: OcrModels

    def read(self, image: Image) -> str:
        """Return the text of a page in reading order; empty if nothing is recognised.

        The page may be turned by 90, 180 or 270 degrees, and skewed by a few degrees.
        """
        if int(image.max()) - int(image.min()) < _MIN_CONTRAST:
            return ""
        quads = detect_lines(self.models.detection, image)
        if _is_on_its_side(quads):
            image = np.ascontiguousarray(np.rot90(image))
            quads = detect_lines(self.models.detection, image)
        if not len(quads):
            return ""
        image, quads = self._turn_upright(image, quads)
        texts = recognise_lines(self.models, crop_lines(image, quads))
        return join_in_order(_place(quads, texts))

    def _turn_upright(self, image: Image, quads: Quads) -> tuple[Image, Quads]:
        """Turn a page that is upside down, with its lines."""
        longest = np.argsort(-_extents(quads)[:, 0])[:_ORIENTATION_LINES]
        if upside_down(self.models.orientation, crop_lines(image, quads[longest])) < 0.5:
            return image, quads
        size = np.array([image.shape[1] - 1, image.shape[0] - 1], dtype=np.float32)
        turned = np.ascontiguousarray((size - quads)[:, [2, 3, 0, 1]])
        return np.ascontiguousarray(np.rot90(image, 2)), turned


def _extents(quads: Quads) -> Quads:
    """Return the width and height of each line along the page's sides: (count, 2)."""
    extents: Quads = quads.max(axis=1) - quads.min(axis=1)
    return extents


def _is_on_its_side(quads: Quads) -> bool:
    """Return whether most of the text runs vertically, by length of the lines."""
    widths, heights = _extents(quads).T
    return bool(heights[heights > 2 * widths].sum() > widths[widths > 1.5 * heights].sum())


def _place(quads: Quads, texts: Sequence[LineText]) -> list[PlacedText]:
    """Return the recognised lines with bounds on the page as if it were not skewed."""
    angle = _skew(quads)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    straight = quads @ turn
    return [
        PlacedText(text.text, *quad.min(axis=0).tolist(), *quad.max(axis=0).tolist())
        for quad, text in zip(straight, texts, strict=True)
        if text.text and text.confidence >= _MIN_CONFIDENCE
    ]


def _skew(quads: Quads) -> float:
    """Return the angle in radians by which the page's longer lines fall to the right."""
    widths, heights = _extents(quads).T
    edges = (quads[:, 1] - quads[:, 0])[widths > 2 * heights]
    return float(np.median(np.arctan2(edges[:, 1], edges[:, 0]))) if len(edges) else 0.0
