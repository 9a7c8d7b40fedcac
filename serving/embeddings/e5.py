"""The multilingual encoder as it is served: which texts are questions, and how long they may be.

Owns telling questions from passages by the words that the model was trained with, and the length
check.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.multilingual import (
    DIMENSIONS,
    PASSAGE,
    QUERY,
    EncoderMissing,
    PackagedEncoder,
    load_encoder,
)
from serving.embeddings.encoder import Tokens, Vectors, require_length
from serving.errors import InputInvalid, WeightsBroken

_ROWS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Text:
    """A text without its prefix; its length is in tokens, with it."""

    text: str
    passage: bool
    tokens: int

    def __len__(self) -> int:
        return self.tokens


@dataclass(frozen=True, slots=True)
class E5Encoder:
    """A text that says neither `query: ` nor `passage: ` is read as a question, as its makers
    advise for all but retrieval."""

    packaged: PackagedEncoder
    context_length: int
    dimensions: int = DIMENSIONS

    def tokenise(self, inputs: Sequence[str | Tokens]) -> list[Text]:
        """Raises InputInvalid, ContextLengthExceeded."""
        rows = [self._row(item, index) for index, item in enumerate(inputs)]
        require_length(rows, self.context_length)
        return rows

    def encode(self, rows: Sequence[Text]) -> Vectors:
        """One vector of length 1 for each row, in the rows' order."""
        vectors = np.empty((len(rows), self.dimensions), dtype=np.float32)
        for passage in (False, True):
            chosen = [row for row, text in enumerate(rows) if text.passage is passage]
            for start in range(0, len(chosen), _ROWS_AT_ONCE):
                some = chosen[start : start + _ROWS_AT_ONCE]
                read = self.packaged.passages if passage else self.packaged.vectors
                vectors[some] = read([rows[row].text for row in some])
        return vectors

    def _row(self, item: str | Tokens, index: int) -> Text:
        if not isinstance(item, str):
            raise InputInvalid(
                f"Input {index} is a list of tokens; this model takes texts.", param="input"
            )
        passage = item.startswith(PASSAGE)
        text = item.removeprefix(PASSAGE if passage else QUERY)
        return Text(text, passage, self.packaged.tokens(text))


def load_e5(context_length: int) -> E5Encoder:
    """Raises WeightsBroken where the package is not there."""
    try:
        return E5Encoder(load_encoder(), context_length)
    except EncoderMissing as error:
        raise WeightsBroken(str(error)) from error
