"""Names that share no letters with a concept's name, compared by meaning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from models.multilingual import Vectors


class Encoder(Protocol):
    def vectors(self, texts: Sequence[str]) -> Vectors:
        """A vector of length 1 for each text."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """Concepts by meaning. Names of one vocabulary all point the same way: without their mean
    removed, that common part drowns the differences."""

    encoder: Encoder
    mean: Vectors
    names: Vectors

    @classmethod
    def of(cls, encoder: Encoder, names: Sequence[str]) -> Self:
        different = list(dict.fromkeys(names))
        at = {name: row for row, name in enumerate(different)}
        vectors = encoder.vectors(different)[[at[name] for name in names]]
        mean = vectors.mean(axis=0)
        return cls(encoder, mean, _unit(vectors - mean))

    def similarities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Cosine of each text to each name, [texts, names]."""
        vectors = _unit(self.encoder.vectors(texts) - self.mean)
        return np.asarray(vectors @ self.names.T, dtype=np.float64)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
