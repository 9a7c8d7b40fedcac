"""Codes of categories, such as program `007`, as the training of a model knows them."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray


def as_known(values: NDArray[np.generic], known: Collection[str]) -> NDArray[np.object_]:
    """Return texts of any shape, unknown codes without leading zeros where these are known.

    Earlier releases read the code `007` of a training file as `7`.
    """
    texts = np.empty(values.size, dtype=object)
    texts[:] = [_known_form(str(text), known) for text in values.ravel()]
    return texts.reshape(values.shape)


def _known_form(text: str, known: Collection[str]) -> str:
    """Return a code without leading zeros if only that is known, else as it is."""
    if not text.startswith("0") or not text.isdecimal() or text in known:
        return text
    short = text.lstrip("0") or "0"
    return short if short in known else text
