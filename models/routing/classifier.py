"""Predict which specialist's task a text asks for, with a calibrated confidence.

A linear model over hashed words and character n-grams. Needs only NumPy, because the gateway runs
it on each request for the model `auto`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.routing.features import BUCKETS, features

ARTEFACT = Path(__file__).with_name("weights.npz")

# The task that no specialist serves.
LANGUAGE = "language"
# Below this confidence no specialist is chosen.
MIN_CONFIDENCE = 0.5

Floats = NDArray[np.float32]


class ClassifierInvalid(ValueError):
    """The artefact cannot be read, or was trained for other features."""


@dataclass(frozen=True, slots=True)
class TaskPrediction:
    """The probabilities of all tasks for a text, the most likely first; they sum to 1."""

    confidences: Mapping[str, float]

    @property
    def task(self) -> str:
        """Return the most likely task."""
        return next(iter(self.confidences))

    @property
    def confidence(self) -> float:
        """Return the probability of the most likely task."""
        return self.confidences[self.task]

    @property
    def specialist_task(self) -> str | None:
        """Return the task if it is a specialist's and confident enough, else None."""
        return self.task if self.task != LANGUAGE and self.confidence >= MIN_CONFIDENCE else None


@dataclass(frozen=True, slots=True)
class RouteClassifier:
    """A linear classifier of request texts.

    `weights` are [BUCKETS, tasks], `offsets` [tasks]. Margins divided by `temperature` are logits.
    `examples_sha256` is the hash of the training examples.
    """

    tasks: tuple[str, ...]
    weights: Floats
    offsets: Floats
    temperature: float
    examples_sha256: str

    def predict(self, text: str) -> TaskPrediction:
        """Predict the task of a text; of a long text only the start and the end are used."""
        margins = self.decision_function(text) / self.temperature
        likelihoods = np.exp(margins - margins.max())
        confidences = likelihoods / likelihoods.sum()
        order = np.argsort(-confidences, kind="stable")
        return TaskPrediction({self.tasks[index]: float(confidences[index]) for index in order})

    def decision_function(self, text: str) -> Floats:
        """Return the margins [tasks] of a text; the largest one is its task."""
        buckets, weights = features(text)
        margins: Floats = weights @ self.weights[buckets] + self.offsets
        return margins

    def save(self, path: Path) -> None:
        """Save the classifier as a compressed NumPy archive."""
        np.savez_compressed(
            path,
            tasks=np.array(self.tasks),
            weights=self.weights.astype(np.float16),
            offsets=self.offsets,
            temperature=np.float64(self.temperature),
            learned_from=np.array(self.examples_sha256),
        )

    @classmethod
    def load(cls, path: Path = ARTEFACT) -> Self:
        """Load a saved classifier. Raises ClassifierInvalid."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                loaded = cls(
                    tasks=tuple(str(task) for task in arrays["tasks"]),
                    weights=arrays["weights"].astype(np.float32),
                    offsets=arrays["offsets"],
                    temperature=float(arrays["temperature"]),
                    examples_sha256=str(arrays["learned_from"]),
                )
        except (OSError, ValueError, KeyError) as error:
            raise ClassifierInvalid(f"The classifier {path.name} cannot be read.") from error
        if loaded.weights.shape != (BUCKETS, len(loaded.tasks)):
            raise ClassifierInvalid(f"The classifier {path.name} was trained on other features.")
        return loaded
