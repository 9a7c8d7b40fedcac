"""The packaged multilingual E5 encoder, with `query: ` and `passage: ` prefixes."""

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
from serving.embeddings.encoder import Tokens, Vectors, require_context_length
from serving.errors import InputInvalid, WeightsBroken

_BATCH_ROWS = 4


@dataclass(frozen=True, slots=True)
class TokenisedText:
    """A text without its prefix; `tokens` and `len` count tokens including the prefix."""

    text: str
    passage: bool
    tokens: int

    def __len__(self) -> int:
        return self.tokens


@dataclass(frozen=True, slots=True)
class E5Encoder:
    """The E5 encoder; a text without a prefix is encoded as a query, as its authors recommend."""

    packaged: PackagedEncoder
    context_length: int
    dimensions: int = DIMENSIONS

    def tokenise(self, inputs: Sequence[str | Tokens]) -> list[TokenisedText]:
        """Split prefixes and count tokens. Raises InputInvalid, ContextLengthExceeded."""
        rows = [self._tokenise_input(item, index) for index, item in enumerate(inputs)]
        require_context_length(rows, self.context_length)
        return rows

    def encode(self, rows: Sequence[TokenisedText]) -> Vectors:
        """Return one unit vector for each row, in the rows' order."""
        vectors = np.empty((len(rows), self.dimensions), dtype=np.float32)
        for passage in (False, True):
            chosen = [row for row, text in enumerate(rows) if text.passage is passage]
            for start in range(0, len(chosen), _BATCH_ROWS):
                batch = chosen[start : start + _BATCH_ROWS]
                encode = self.packaged.passages if passage else self.packaged.vectors
                vectors[batch] = encode([rows[row].text for row in batch])
        return vectors

    def _tokenise_input(self, item: str | Tokens, index: int) -> TokenisedText:
        """Split the prefix off a text and count its tokens. Raises InputInvalid for token ids."""
        if not isinstance(item, str):
            raise InputInvalid(
                f"Input {index} is a list of tokens; this model accepts text only.", param="input"
            )
        passage = item.startswith(PASSAGE)
        text = item.removeprefix(PASSAGE if passage else QUERY)
        return TokenisedText(text, passage, self.packaged.tokens(text))


def load_e5(context_length: int) -> E5Encoder:
    """Load the packaged encoder. Raises WeightsBroken if the package is not installed."""
    try:
        return E5Encoder(load_encoder(), context_length)
    except EncoderMissing as error:
        raise WeightsBroken(str(error)) from error
