"""The base as its artefact holds it: what a variant goes on from.

Owns taking log-odds, trees and signature out of the graph that export.py made. The training rows
are not there when a customer adapts it, nor is the booster.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx
import onnxruntime as ort
from scipy.special import expit

from models.calibration import Exact
from models.contributing_trees import ContributingTrees
from models.failure_class.data import Flags, OperatingPoints
from models.failure_class.export import LOG_ODDS, threshold_of, trees_of
from models.onnx_graph import opened, signature_of, value
from models.signature import Signature


@dataclass(frozen=True, slots=True)
class Base:
    """`session` tells log-odds; `trees` add up to these. The threshold is one of probability."""

    session: ort.InferenceSession
    threshold: np.float32
    trees: ContributingTrees
    signature: Signature

    @classmethod
    def of(cls, artefact: bytes) -> Self:
        """From a graph of export.py."""
        model = onnx.load_from_string(artefact)
        trees = trees_of(model)
        model.graph.output.append(value(LOG_ODDS, 1))
        session = opened(model.SerializeToString())
        return cls(session, threshold_of(model), trees, signature_of(session))

    def log_odds(self, points: OperatingPoints) -> Exact:
        """Of failure, calibrated, [N]."""
        (told,) = self.session.run([LOG_ODDS], points.feed())
        return np.asarray(told[:, 0], dtype=np.float64)

    def decisions(self, log_odds: Exact) -> Flags:
        """Whether the base calls each a failure, [N], by its own threshold."""
        return np.asarray(expit(log_odds) >= self.threshold)
