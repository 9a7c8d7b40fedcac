"""A sentence encoder: text to tokens, tokens to unit vectors.

Owns what every encoder offers, and the one from an ONNX file: its tokenizer, mean pooling and the
length check.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from serving.errors import ContextLengthExceeded, InputInvalid, WeightsBroken

# Rows of one run. More rows would pad short texts to the longest and hold others up.
_ROWS_AT_ONCE = 16

Tokens = tuple[int, ...]
Vectors = NDArray[np.float32]
Row = TypeVar("Row", bound="Sized")


class Sized(Protocol):
    """An input as an encoder reads it; its length is in tokens."""

    def __len__(self) -> int: ...


class SentenceEncoder(Protocol[Row]):
    """Inputs to rows, rows to vectors of length 1."""

    @property
    def dimensions(self) -> int: ...

    def tokenise(self, inputs: Sequence[str | Tokens]) -> list[Row]:
        """Raises InputInvalid, ContextLengthExceeded."""
        ...

    def encode(self, rows: Sequence[Row]) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class Encoder:
    """A loaded model. `context_length` counts the two marks that frame each text."""

    tokenizer: Any
    session: Any
    context_length: int
    dimensions: int

    def tokenise(self, inputs: Sequence[str | Tokens]) -> list[Tokens]:
        """Each input as the model reads it, framed. Raises InputInvalid, ContextLengthExceeded."""
        texts = [item for item in inputs if isinstance(item, str)]
        encoded = iter(self.tokenizer.encode_batch(texts)) if texts else iter(())
        framed = [
            tuple(next(encoded).ids) if isinstance(item, str) else self._frame(item, index)
            for index, item in enumerate(inputs)
        ]
        require_length(framed, self.context_length)
        return framed

    def encode(self, rows: Sequence[Tokens]) -> Vectors:
        """One vector of length 1 for each row, in the rows' order."""
        vectors = np.empty((len(rows), self.dimensions), dtype=np.float32)
        by_length = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            chosen = by_length[start : start + _ROWS_AT_ONCE]
            vectors[chosen] = self._run([rows[row] for row in chosen])
        return vectors

    def _frame(self, tokens: Tokens, index: int) -> Tokens:
        """Tokens that the caller made: framed like those of a text."""
        size = self.tokenizer.get_vocab_size()
        if any(token >= size or token < 0 for token in tokens):
            raise InputInvalid(f"Input {index} has a token outside 0 to {size - 1}.", param="input")
        opening, closing = self.tokenizer.encode("").ids
        return (opening, *tokens, closing)

    def _run(self, rows: Sequence[Tokens]) -> Vectors:
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return _pool(self.session.run(None, feed)[0], mask)


def require_length(rows: Sequence[Sized], most: int) -> None:
    """Raises ContextLengthExceeded, never cuts: a text that is cut gets a wrong vector."""
    for index, row in enumerate(rows):
        if len(row) > most:
            raise ContextLengthExceeded(
                f"Input {index} has {len(row)} tokens, but the model reads at most {most}.",
                param="input",
            )


def load_encoder(model: Path, tokenizer: Path, context_length: int) -> Encoder:
    """Load an encoder. Raises WeightsBroken where the files are not one."""
    options = onnxruntime.SessionOptions()
    # One thread: the language model needs the other cores more than an embedding does.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        loaded = Tokenizer.from_file(str(tokenizer))
    except Exception as error:  # both raise bare exceptions of their own
        raise WeightsBroken("The embedding model or its tokenizer cannot be loaded.") from error
    # The file asks for cutting and padding to 128 tokens; a text that is cut gets a wrong vector.
    loaded.no_truncation()
    loaded.no_padding()
    return Encoder(loaded, session, context_length, session.get_outputs()[0].shape[-1])


def _pool(states: NDArray[Any], mask: NDArray[Any]) -> Vectors:
    """The mean of the real tokens' states, scaled to length 1."""
    weights = mask[:, :, np.newaxis].astype(np.float32)
    mean = (states * weights).sum(axis=1) / weights.sum(axis=1)
    unit: Vectors = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return unit
