"""Find the text lines of a page image: differentiable binarization (Liao et al., AAAI 2020).

The model returns the probability that a pixel belongs to the core of a line. Connected cores become
rotated rectangles, which are then expanded, because cores are smaller than their lines.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.retrieval.ocr.weights import Image, OcrModel, Tensor, cv2

Quads = NDArray[np.float32]
"""Corners of lines, from top left clockwise: (count, 4, 2), in pixels (x, y)."""

# Lines are found at fewer pixels than they are read with: A4 at about 110 dpi, which takes two
# thirds of the time and still finds text of 8 point. Larger pages keep that, up to a limit.
_SCALE, _MIN_LONG_SIDE, _MAX_LONG_SIDE = 0.73, 1_280, 2_560
_STRIDE = 32
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
_MIN_PROBABILITY = 0.3
_MIN_SCORE = 0.5
_EXPANSION = 1.6
_MIN_SIDE = 3.0
_MAX_LINES = 2_000


def detect_lines(model: OcrModel, image: Image) -> Quads:
    """Return the text lines of an image, in no order."""
    batch = _preprocess(image)
    probabilities = model.run(batch)[0, 0]
    rectangles = _find_rectangles(probabilities)
    if not rectangles:
        return np.empty((0, 4, 2), dtype=np.float32)
    quads = np.stack([_corners(rectangle) for rectangle in rectangles])
    height, width = image.shape[:2]
    quads *= (width / batch.shape[3], height / batch.shape[2])
    clipped: Quads = np.clip(quads, 0, (width - 1, height - 1)).astype(np.float32)
    return clipped


def _preprocess(image: Image) -> Tensor:
    """Return the image as a normalised batch of one, its sides multiples of the model's stride."""
    height, width = image.shape[:2]
    longest = max(height, width)
    scale = min(1.0, max(_SCALE, _MIN_LONG_SIDE / longest), _MAX_LONG_SIDE / longest)
    size = [max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in (width, height)]
    pixels = cv2.resize(image, size).astype(np.float32) / 255
    normalised: Tensor = (pixels - _MEAN) / _DEVIATION
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[np.newaxis])


def _find_rectangles(probabilities: Tensor) -> list[Any]:
    """Return an expanded rectangle (centre, size, angle) for each line core that is likely text."""
    mask = (probabilities > _MIN_PROBABILITY).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    rectangles = []
    for contour in contours[:_MAX_LINES]:
        centre, (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < _MIN_SIDE or _mean_within(probabilities, contour) < _MIN_SCORE:
            continue
        grown = 2 * width * height * _EXPANSION / (2 * (width + height))
        rectangles.append((centre, (width + grown, height + grown), angle))
    return rectangles


def _mean_within(probabilities: Tensor, contour: Any) -> float:
    """Return the mean probability of the pixels within a contour."""
    left, top, width, height = cv2.boundingRect(contour)
    mask = np.zeros((height, width), dtype=np.uint8)
    cv2.drawContours(mask, [contour - (left, top)], -1, 1, cv2.FILLED)
    return float(cv2.mean(probabilities[top : top + height, left : left + width], mask)[0])


def _corners(rectangle: Any) -> Quads:
    """Return the corners of a rotated rectangle from top left clockwise: (4, 2)."""
    by_x = sorted(cv2.boxPoints(rectangle).tolist())
    left = sorted(by_x[:2], key=lambda point: point[1])
    right = sorted(by_x[2:], key=lambda point: point[1])
    return np.array([left[0], right[0], right[1], left[1]], dtype=np.float32)
