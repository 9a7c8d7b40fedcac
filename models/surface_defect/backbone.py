"""The frozen feature extractor (backbone): pictures in, features out, on ONNX Runtime."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.surface_defect.picture import Picture

INPUT_NAME, OUTPUT_NAME = "pictures", "features"
IDENTITY_KEY = "backbone"

Features = NDArray[np.float32]
"""Features of pictures, [rows, width]."""


class BackboneBroken(ValueError):
    """The file is not a valid backbone, or not the expected one."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """A feature extractor in an ONNX Runtime session.

    `identity` names weights and graph version: features of different identities are not comparable.
    `width` is the number of features of a picture.
    """

    session: Any
    identity: str
    width: int

    def extract_features(self, pictures: Iterable[Picture]) -> Features:
        """Return the features of the pictures, [rows, width].

        Runs one picture at a time: sizes differ, a result must not depend on the other pictures,
        and on one thread a batch would be no faster.
        """
        rows = [self._extract_one(picture) for picture in pictures]
        return np.concatenate(rows) if rows else np.empty((0, self.width), dtype=np.float32)

    def _extract_one(self, picture: Picture) -> Features:
        """Return the features of one picture, [1, width]."""
        batch = np.ascontiguousarray(picture)[np.newaxis]
        (features,) = self.session.run([OUTPUT_NAME], {INPUT_NAME: batch})
        return np.asarray(features, dtype=np.float32)


def open_backbone(path: Path) -> Backbone:
    """Load the graph that conversion.py wrote. Raises BackboneBroken."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises several exception classes of its own
        raise BackboneBroken(f"The backbone {path.name} cannot be loaded.") from error
    names = [node.name for node in (*session.get_inputs(), *session.get_outputs())]
    identity = session.get_modelmeta().custom_metadata_map.get(IDENTITY_KEY)
    if names != [INPUT_NAME, OUTPUT_NAME] or not identity:
        raise BackboneBroken(f"{path.name} is a graph, but no backbone.")
    return Backbone(session, identity, int(session.get_outputs()[0].shape[1]))
