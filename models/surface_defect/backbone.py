"""The frozen feature extractor (backbone): pictures in, features out, on ONNX Runtime."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.surface_defect.picture import Picture

INPUT_NAME, OUTPUT_NAME = "pictures", "features"
MAP_PREFIX = "map_"
IDENTITY_KEY = "backbone"

Features = NDArray[np.float32]
"""Features of pictures, [rows, width]."""

Maps = tuple[NDArray[np.float32], ...]
"""Feature maps of a picture, each [channels, height, width]; sizes differ between maps."""


class BackboneBroken(ValueError):
    """The file is not a valid backbone, or not the expected one."""


@dataclass(frozen=True, slots=True)
class Examined:
    """The features of a picture, [width], and the maps that they come from.

    The features are, map by map, the means of its channels, then their standard deviations.
    """

    features: NDArray[np.float32]
    maps: Maps


@dataclass(frozen=True, slots=True)
class Backbone:
    """A feature extractor in an ONNX Runtime session.

    `identity` names weights and graph version: features of different identities are not comparable.
    `width` is the number of features of a picture. `map_names` are the outputs with its maps.
    """

    session: Any
    identity: str
    width: int
    map_names: tuple[str, ...]

    def extract_features(self, pictures: Iterable[Picture]) -> Features:
        """Return the features of the pictures, [rows, width].

        Runs one picture at a time: sizes differ, a result must not depend on the other pictures,
        and on one thread a batch would be no faster.
        """
        rows = [self._extract_one(picture) for picture in pictures]
        return np.concatenate(rows) if rows else np.empty((0, self.width), dtype=np.float32)

    def examine(self, picture: Picture) -> Examined:
        """Return the features of one picture with their maps."""
        features, *maps = self._run(picture, [OUTPUT_NAME, *self.map_names])
        return Examined(features[0], tuple(one[0] for one in maps))

    def _extract_one(self, picture: Picture) -> Features:
        """Return the features of one picture, [1, width]."""
        (features,) = self._run(picture, [OUTPUT_NAME])
        return features

    def _run(self, picture: Picture, names: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return outputs of the graph for one picture, each [1, …]."""
        batch = np.ascontiguousarray(picture)[np.newaxis]
        outputs = self.session.run(list(names), {INPUT_NAME: batch})
        return [np.asarray(output, dtype=np.float32) for output in outputs]


def open_backbone(path: Path) -> Backbone:
    """Load the graph that conversion.py wrote. Raises BackboneBroken."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises several exception classes of its own
        raise BackboneBroken(f"The backbone {path.name} cannot be loaded.") from error
    inputs = [node.name for node in session.get_inputs()]
    first, *others = session.get_outputs()
    identity = session.get_modelmeta().custom_metadata_map.get(IDENTITY_KEY)
    maps = tuple(node.name for node in others if node.name.startswith(MAP_PREFIX))
    if inputs != [INPUT_NAME] or first.name != OUTPUT_NAME or not maps or not identity:
        raise BackboneBroken(f"{path.name} is a graph, but no backbone.")
    return Backbone(session, identity, int(first.shape[1]), maps)
