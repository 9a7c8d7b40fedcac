"""The interface of sentence encoders, and the check of the length of their inputs."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from serving.errors import ContextLengthExceeded

Tokens = tuple[int, ...]
Vectors = NDArray[np.float32]
Row = TypeVar("Row", bound="TokenisedInput")


class TokenisedInput(Protocol):
    """A tokenised input; its length is its number of tokens."""

    def __len__(self) -> int: ...


class SentenceEncoder(Protocol[Row]):
    """An encoder of texts or token ids into unit vectors."""

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        ...

    def tokenise(self, inputs: Sequence[str | Tokens]) -> list[Row]:
        """Tokenise inputs. Raises InputInvalid, ContextLengthExceeded."""
        ...

    def encode(self, rows: Sequence[Row]) -> Vectors:
        """Return one unit vector for each row, in the rows' order."""
        ...


def require_context_length(rows: Sequence[TokenisedInput], max_tokens: int) -> None:
    """Raise ContextLengthExceeded for a row above `max_tokens`; rows are never truncated."""
    for index, row in enumerate(rows):
        if len(row) > max_tokens:
            raise ContextLengthExceeded(
                f"Input {index} has {len(row)} tokens; the model's maximum is {max_tokens}.",
                param="input",
            )
