"""The classifier: which task a text asks for, and how sure that is.

A linear model over counted words and pieces of words. Owns the artefact's form and using it; numpy
alone, since the gateway uses it between a request and its model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.routing.features import BUCKETS, features

ARTEFACT = Path(__file__).with_name("weights.npz")

# What no specialist does.
LANGUAGE = "language"
# Less sure than that, it is not taken for a specialist's task.
SURE = 0.5

Floats = NDArray[np.float32]


class ClassifierBroken(ValueError):
    """The artefact is none, or was made for other features."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How likely a text asks for each task, the likeliest first; they sum up to 1."""

    confidences: Mapping[str, float]

    @property
    def task(self) -> str:
        return next(iter(self.confidences))

    @property
    def confidence(self) -> float:
        return self.confidences[self.task]

    @property
    def specialist_task(self) -> str | None:
        """The task, where it is surely that of a specialist."""
        return self.task if self.task != LANGUAGE and self.confidence >= SURE else None


@dataclass(frozen=True, slots=True)
class RouteClassifier:
    """`weights` are [BUCKETS, tasks], `offsets` [tasks]; margins over `temperature` are the
    logarithms of probabilities. `learned_from` is the examples' sha256."""

    tasks: tuple[str, ...]
    weights: Floats
    offsets: Floats
    temperature: float
    learned_from: str

    def judge(self, text: str) -> Judgement:
        """What the text asks for; of a long one, its ends are read."""
        margins = self.margins(text) / self.temperature
        likelihoods = np.exp(margins - margins.max())
        confidences = likelihoods / likelihoods.sum()
        order = np.argsort(-confidences, kind="stable")
        return Judgement({self.tasks[at]: float(confidences[at]) for at in order})

    def margins(self, text: str) -> Floats:
        """[tasks]; the largest is the text's task."""
        buckets, weights = features(text)
        margins: Floats = weights @ self.weights[buckets] + self.offsets
        return margins

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path,
            tasks=np.array(self.tasks),
            weights=self.weights.astype(np.float16),
            offsets=self.offsets,
            temperature=np.float64(self.temperature),
            learned_from=np.array(self.learned_from),
        )

    @classmethod
    def load(cls, path: Path = ARTEFACT) -> Self:
        """Raises ClassifierBroken."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                loaded = cls(
                    tasks=tuple(str(task) for task in arrays["tasks"]),
                    weights=arrays["weights"].astype(np.float32),
                    offsets=arrays["offsets"],
                    temperature=float(arrays["temperature"]),
                    learned_from=str(arrays["learned_from"]),
                )
        except (OSError, ValueError, KeyError) as error:
            raise ClassifierBroken(f"The classifier {path.name} cannot be read.") from error
        if loaded.weights.shape != (BUCKETS, len(loaded.tasks)):
            raise ClassifierBroken(f"The classifier {path.name} was made for other features.")
        return loaded
