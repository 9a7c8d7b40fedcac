"""A customer's head as serving has it, on the backbone: signature, checks, answers by column."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.signature import (
    BYTES,
    Columns,
    InputField,
    InputInvalid,
    OutputField,
    Signature,
    place,
)
from models.surface_defect import head as heads
from models.surface_defect.backbone import Backbone
from models.surface_defect.head import Head
from models.surface_defect.picture import FORMATS, Picture, PictureInvalid, decoded

VERSION = "1"
IMAGE = "image"
_INPUTS = (
    InputField(
        IMAGE,
        BYTES,
        description=f"A picture's bytes ({', '.join(FORMATS)}, 8 bits a channel) in base64",
    ),
)
_OUTPUTS = (
    OutputField("probability", "FP32", "1", "How likely the label is, if it is any of those known"),
    OutputField("second", BYTES, None, "The label that is the next likely"),
    OutputField(
        "familiarity",
        "FP32",
        "1",
        "Share of the pictures learned from that are as far from what is known, or farther; below "
        "0.05 the picture may be of none of the labels",
    ),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """Rows are pictures; they know nothing of each other."""

    backbone: Backbone
    head: Head

    @property
    def signature(self) -> Signature:
        labels = ", ".join(self.head.labels)
        label = OutputField("label", BYTES, None, f"The likeliest of {labels}")
        return Signature(_INPUTS, (label, *_OUTPUTS), VERSION)

    def check(self, columns: Columns) -> None:
        """Raises InputInvalid where a row is no picture, naming it and why.

        Decodes each, as nothing less can tell: a bad one must not fail those that it is batched
        with.
        """
        for row, text in enumerate(columns[IMAGE]):
            _picture(row, text)

    def run(self, columns: Columns) -> Columns:
        """Raises InputInvalid as `check` does."""
        pictures = (_picture(row, text) for row, text in enumerate(columns[IMAGE]))
        judged = self.head.judge(self.backbone.features(pictures))
        order = np.argsort(-judged.probabilities, axis=1, kind="stable")
        labels = np.array(self.head.labels, dtype=object)
        return {
            "label": labels[order[:, 0]],
            "probability": _single(judged.probabilities.max(axis=1)),
            "second": labels[order[:, 1]],
            "familiarity": _single(judged.familiarity),
        }


def load(artefact: bytes, backbone: Backbone) -> Variant:
    """Raises HeadBroken."""
    return Variant(backbone, heads.load(artefact, backbone.identity, backbone.width))


def _picture(row: int, text: str) -> Picture:
    try:
        return decoded(text)
    except PictureInvalid as error:
        raise InputInvalid(f"{IMAGE!r} in {place((row,))} {error}.", param=IMAGE) from error


def _single(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float32)
