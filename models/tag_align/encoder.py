"""Embedding similarity of texts and concept names, for names that share no letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from models.multilingual import Vectors


class Encoder(Protocol):
    """A sentence encoder."""

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return a vector of length 1 for each text, [texts, width]."""


@dataclass(frozen=True, slots=True)
class NameEmbeddings:
    """Centred unit vectors of concept names, [names, width].

    All names of one vocabulary share a common direction: unless their mean is subtracted, it
    dominates every cosine.
    """

    encoder: Encoder
    mean: Vectors
    unit_vectors: Vectors

    @classmethod
    def build(cls, encoder: Encoder, names: Sequence[str]) -> Self:
        """Encode names; each distinct name is encoded once."""
        unique = list(dict.fromkeys(names))
        row_by_name = {name: row for row, name in enumerate(unique)}
        vectors = encoder.vectors(unique)[[row_by_name[name] for name in names]]
        mean = vectors.mean(axis=0)
        return cls(encoder, mean, _normalize(vectors - mean))

    def similarities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the cosine similarity of each text to each name, [texts, names]."""
        vectors = _normalize(self.encoder.vectors(texts) - self.mean)
        return np.asarray(vectors @ self.unit_vectors.T, dtype=np.float64)


def _normalize(vectors: Vectors) -> Vectors:
    """Scale vectors to length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
