"""A faster reader of GGUF metadata for transformers: the same values, parsed once.

transformers has a GGUF file parsed for the configuration, the tokenizer and the weights, and gguf's
reader takes each token and merge from a `numpy.memmap`, whose slices cost five times those of an
array. With a vocabulary of 262,000 tokens that is half of a conversion's processor time.
"""

from functools import cache
from typing import Any

import gguf
import numpy as np


class _ArrayReader(gguf.GGUFReader):
    """gguf's reader on a plain array that shares the memory of the mapped file."""

    @property
    def data(self) -> Any:
        """The bytes of the file, as an array of uint8."""
        return self._data

    @data.setter
    def data(self, mapped: np.ndarray[Any, Any]) -> None:
        self._data = np.asarray(mapped)


def use_cached_reader() -> None:
    """Replace gguf's reader in this process: it keeps the files it has read, so for conversions."""
    gguf.GGUFReader = cache(_ArrayReader)  # type: ignore[assignment,misc]
