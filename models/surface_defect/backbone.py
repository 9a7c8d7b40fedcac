"""The frozen backbone: pictures in, features out, on ONNX Runtime."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.surface_defect.picture import Picture

PICTURES, FEATURES = "pictures", "features"
IDENTITY_KEY = "backbone"

Features = NDArray[np.float32]
"""[rows, width]"""


class BackboneBroken(ValueError):
    """The file is no backbone, or not the one that is expected."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """`identity` names weights and recipe: features of another are not comparable. `width` is how
    many features a picture has."""

    session: Any
    identity: str
    width: int

    def features(self, pictures: Iterable[Picture]) -> Features:
        """[rows, width]. One picture at a time: their sizes differ, an answer does not hang on its
        neighbours, and on one thread a batch would be no faster."""
        rows = [self._run(picture) for picture in pictures]
        return np.concatenate(rows) if rows else np.empty((0, self.width), dtype=np.float32)

    def _run(self, picture: Picture) -> Features:
        batch = np.ascontiguousarray(picture)[np.newaxis]
        (features,) = self.session.run([FEATURES], {PICTURES: batch})
        return np.asarray(features, dtype=np.float32)


def open_backbone(path: Path) -> Backbone:
    """The graph that conversion.py wrote. Raises BackboneBroken."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises half a dozen classes of its own
        raise BackboneBroken(f"The backbone {path.name} cannot be loaded.") from error
    names = [node.name for node in (*session.get_inputs(), *session.get_outputs())]
    identity = session.get_modelmeta().custom_metadata_map.get(IDENTITY_KEY)
    if names != [PICTURES, FEATURES] or not identity:
        raise BackboneBroken(f"{path.name} is a graph, but no backbone.")
    return Backbone(session, identity, int(session.get_outputs()[0].shape[1]))
