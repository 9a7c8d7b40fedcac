"""Recognise the text of line images, and whether lines stand upside down.

Recognition is a sequence model with connectionist temporal classification (Graves et al., 2006):
repeated classes and blanks are removed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.retrieval.ocr.detection import Quads
from gateway.retrieval.ocr.weights import Image, OcrModel, OcrModels, Tensor, cv2

_HEIGHT = 48
_MIN_WIDTH = 320
_MAX_WIDTH = 3_200
# All lines of a batch together: the output has 18,385 floats per 8 pixels of width.
_MAX_BATCH_WIDTH = 3_200
_ORIENTATION_WIDTH = 192
# A single digit or letter is up to about twice as high as wide.
_VERTICAL = 2.0


@dataclass(frozen=True, slots=True)
class LineText:
    """The text of a line with the mean probability of its characters."""

    text: str
    confidence: float


def crop_lines(image: Image, quads: Quads) -> list[Image]:
    """Return each line as an upright image; lines written vertically are turned anticlockwise."""
    crops = []
    for quad in quads:
        top, right, bottom, left = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
        width, height = max(1, int(max(top, bottom))), max(1, int(max(left, right)))
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
        crop = cv2.warpPerspective(
            image,
            cv2.getPerspectiveTransform(quad, corners),
            (width, height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        crops.append(np.rot90(crop) if height >= _VERTICAL * width else crop)
    return crops


def upside_down(model: OcrModel, crops: Sequence[Image]) -> float:
    """Return the mean probability that the lines stand upside down."""
    batch = np.stack([_fit(crop, _ORIENTATION_WIDTH) for crop in crops])
    return float(model.run(batch)[:, 1].mean())


def recognise_lines(models: OcrModels, crops: Sequence[Image]) -> list[LineText]:
    """Return the text of each line image."""
    texts = [LineText("", 0.0)] * len(crops)
    for width, indices in _batches([_width(crop) for crop in crops]):
        batch = np.stack([_fit(crops[index], width) for index in indices])
        for index, probabilities in zip(indices, models.recognition.run(batch), strict=True):
            texts[index] = _decode(probabilities, models.characters)
    return texts


def _width(crop: Image) -> int:
    """Return the width of a line image when scaled to the height of the model's input."""
    height, width = map(int, crop.shape[:2])
    return min(_MAX_WIDTH, max(_MIN_WIDTH, -(-_HEIGHT * width // height)))


def _batches(widths: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Yield indices of lines of similar width, with the width of their batch."""
    batch: list[int] = []
    for index in sorted(range(len(widths)), key=widths.__getitem__):
        if batch and widths[index] * (len(batch) + 1) > _MAX_BATCH_WIDTH:
            yield widths[batch[-1]], batch
            batch = []
        batch.append(index)
    if batch:
        yield widths[batch[-1]], batch


def _fit(crop: Image, width: int) -> Tensor:
    """Scale a line to the model's height and normalise it: (3, 48, width), padded at the right."""
    scaled = min(width, max(1, -(-_HEIGHT * crop.shape[1] // crop.shape[0])))
    pixels = cv2.resize(np.ascontiguousarray(crop), (scaled, _HEIGHT)).astype(np.float32)
    padded = np.zeros((3, _HEIGHT, width), dtype=np.float32)
    padded[:, :, :scaled] = pixels.transpose(2, 0, 1) / 127.5 - 1
    return padded


def _decode(probabilities: Tensor, characters: Sequence[str]) -> LineText:
    """Return the text of the most likely classes (steps, classes)."""
    classes = probabilities.argmax(axis=1)
    kept = (classes != 0) & (np.diff(classes, prepend=0) != 0)
    if not kept.any():
        return LineText("", 0.0)
    text = "".join(characters[one] for one in classes[kept])
    return LineText(text.strip(), float(probabilities.max(axis=1)[kept].mean()))
