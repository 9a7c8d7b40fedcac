"""The ONNX graph of contributions of a variant: open it and run it, without LightGBM."""

from typing import Any

import numpy as np

from models.onnx_session import open_session
from models.own_artefact import VariantBroken
from models.tabular.data import Floats
from models.tabular.encoding import Features

FEATURES, CONTRIBUTIONS = "features", "contributions"


def open_trees(trees: bytes) -> Any:
    """Open the graph of the trees. Raises VariantBroken."""
    try:
        return open_session(trees)
    except Exception as error:  # ONNX Runtime raises several unrelated exception classes
        raise VariantBroken("The variant's graph cannot be loaded.") from error


def run_trees(session: Any, features: Features, scores: int) -> Floats:
    """Return the contributions of features to so many scores, [rows, scores, features]."""
    (flat,) = session.run([CONTRIBUTIONS], {FEATURES: features})
    return np.asarray(flat, dtype=np.float64).reshape(len(features), scores, -1)
