"""The trained base model, read back from its ONNX artefact for fine-tuning.

Only the artefact is available when a customer fine-tunes: neither training rows nor the booster.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx
import onnxruntime as ort
from scipy.special import expit

from models.calibration import FloatArray
from models.contributing_trees import ContributingTrees
from models.failure_class.data import Flags, OperatingPoints
from models.failure_class.export import LOG_ODDS, threshold_of, trees_of
from models.onnx_graph import read_signature, tensor_info
from models.onnx_session import open_session
from models.signature import Signature


@dataclass(frozen=True, slots=True)
class BaseClassifier:
    """The base classifier: an ONNX session, its trees and its decision threshold.

    `session` outputs calibrated log-odds, of which `trees` are the additive terms. `threshold` is a
    probability.
    """

    session: ort.InferenceSession
    threshold: np.float32
    trees: ContributingTrees
    signature: Signature

    @classmethod
    def from_artefact(cls, artefact: bytes) -> Self:
        """Load the base classifier from a serialised graph of export.py."""
        model = onnx.load_from_string(artefact)
        trees = trees_of(model)
        model.graph.output.append(tensor_info(LOG_ODDS, 1))
        session = open_session(model.SerializeToString())
        return cls(session, threshold_of(model), trees, read_signature(session))

    def log_odds(self, points: OperatingPoints) -> FloatArray:
        """Return the calibrated log-odds of failure, [N]."""
        (outputs,) = self.session.run([LOG_ODDS], points.input_feed())
        return np.asarray(outputs[:, 0], dtype=np.float64)

    def predict_failure(self, log_odds: FloatArray) -> Flags:
        """Return whether each row counts as a failure at the base's threshold, [N]."""
        return np.asarray(expit(log_odds) >= self.threshold)
