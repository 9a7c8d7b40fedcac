"""Serve a customer's head on the backbone: signature, input checks and predictions by column."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.signature import (
    BYTES,
    Columns,
    GridField,
    InputField,
    InputInvalid,
    OutputField,
    Signature,
    describe_index,
)
from models.surface_defect import head as heads
from models.surface_defect.backbone import Backbone
from models.surface_defect.evidence import GRID, find_evidence
from models.surface_defect.head import Head
from models.surface_defect.picture import FORMATS, Picture, PictureInvalid, decode_base64

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
    GridField(
        "heatmap",
        "FP32",
        None,
        f"Where the evidence for the label is: {GRID} rows from the top of {GRID} cells from the "
        "left. The mean of all cells is the log-odds against the mean of the other labels; cells "
        "below 0 speak against the label",
        shape=(GRID, GRID),
    ),
    GridField(
        "box",
        "FP32",
        "1",
        "The strongest region of the heat map: left, top, right and bottom, as shares of the "
        "picture's width and height",
        shape=(4,),
    ),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A fitted head on its backbone; each row is one picture, predicted independently."""

    backbone: Backbone
    head: Head

    @property
    def signature(self) -> Signature:
        """Return the model's input and output columns."""
        labels = ", ".join(self.head.labels)
        label = OutputField("label", BYTES, None, f"The likeliest of {labels}")
        return Signature(_INPUTS, (label, *_OUTPUTS), VERSION)

    def check(self, columns: Columns) -> None:
        """Decode every picture, so that an invalid one cannot fail other requests of its batch.

        Raises InputInvalid with the row and the reason.
        """
        for row, text in enumerate(columns[IMAGE]):
            _decode_row(row, text)

    def run(self, columns: Columns) -> Columns:
        """Predict labels, and where in the picture the evidence is. Raises InputInvalid."""
        examined = [
            self.backbone.examine(_decode_row(row, text)) for row, text in enumerate(columns[IMAGE])
        ]
        predictions = self.head.predict(np.stack([one.features for one in examined]))
        order = np.argsort(-predictions.probabilities, axis=1, kind="stable")
        labels = np.array(self.head.labels, dtype=object)
        found = [
            find_evidence(self.head, one, int(label))
            for one, label in zip(examined, order[:, 0], strict=True)
        ]
        return {
            "label": labels[order[:, 0]],
            "probability": _to_float32(predictions.probabilities.max(axis=1)),
            "second": labels[order[:, 1]],
            "familiarity": _to_float32(predictions.familiarity),
            "heatmap": _to_float32(np.stack([one.heatmap for one in found])),
            "box": _to_float32(np.stack([one.box for one in found])),
        }


def load(artefact: bytes, backbone: Backbone) -> Variant:
    """Load a head for this backbone. Raises HeadBroken."""
    return Variant(backbone, heads.load(artefact, backbone.identity, backbone.width))


def _decode_row(row: int, text: str) -> Picture:
    """Decode the picture of a row. Raises InputInvalid."""
    try:
        return decode_base64(text)
    except PictureInvalid as error:
        raise InputInvalid(
            f"{IMAGE!r} in {describe_index((row,))} {error}.", param=IMAGE
        ) from error


def _to_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """Convert values to float32."""
    return values.astype(np.float32)
