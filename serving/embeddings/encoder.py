"""Sentence encoders: the interface, and the encoder from an ONNX file with mean pooling."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from serving.errors import ContextLengthExceeded, InputInvalid, WeightsBroken

# More rows would pad short texts to the longest one and delay other requests.
_BATCH_ROWS = 16

Tokens = tuple[int, ...]
Vectors = NDArray[np.float32]
Row = TypeVar("Row", bound="TokenisedInput")


class TokenisedInput(Protocol):
    """A tokenised input; its length is its number of tokens."""

    def __len__(self) -> int: ...


class SentenceEncoder(Protocol[Row]):
    """An encoder of texts or token ids into unit vectors."""

    @property
    def dimensions(self) -> int: ...

    def tokenise(self, inputs: Sequence[str | Tokens]) -> list[Row]:
        """Tokenise inputs. Raises InputInvalid, ContextLengthExceeded."""
        ...

    def encode(self, rows: Sequence[Row]) -> Vectors:
        """Return one unit vector for each row, in the rows' order."""
        ...


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder on ONNX Runtime; `context_length` includes the two special tokens of each text."""

    tokenizer: Any
    session: Any
    context_length: int
    dimensions: int

    def tokenise(self, inputs: Sequence[str | Tokens]) -> list[Tokens]:
        """Tokenise inputs and add the special tokens.

        Raises InputInvalid, ContextLengthExceeded.
        """
        texts = [item for item in inputs if isinstance(item, str)]
        encoded = iter(self.tokenizer.encode_batch(texts)) if texts else iter(())
        tokenised = [
            tuple(next(encoded).ids)
            if isinstance(item, str)
            else self._add_special_tokens(item, index)
            for index, item in enumerate(inputs)
        ]
        require_context_length(tokenised, self.context_length)
        return tokenised

    def encode(self, rows: Sequence[Tokens]) -> Vectors:
        """Return one unit vector for each row, in the rows' order."""
        vectors = np.empty((len(rows), self.dimensions), dtype=np.float32)
        by_length = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        for start in range(0, len(rows), _BATCH_ROWS):
            chosen = by_length[start : start + _BATCH_ROWS]
            vectors[chosen] = self._encode_rows([rows[row] for row in chosen])
        return vectors

    def _add_special_tokens(self, tokens: Tokens, index: int) -> Tokens:
        """Add the special tokens to token ids from the caller. Raises InputInvalid."""
        size = self.tokenizer.get_vocab_size()
        if any(token >= size or token < 0 for token in tokens):
            raise InputInvalid(f"Input {index} has a token outside 0 to {size - 1}.", param="input")
        opening, closing = self.tokenizer.encode("").ids
        return (opening, *tokens, closing)

    def _encode_rows(self, rows: Sequence[Tokens]) -> Vectors:
        """Run the model on one padded batch; return one unit vector for each row."""
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return _mean_pool(self.session.run(None, feed)[0], mask)


def require_context_length(rows: Sequence[TokenisedInput], max_tokens: int) -> None:
    """Raise ContextLengthExceeded for a row above `max_tokens`; rows are never truncated."""
    for index, row in enumerate(rows):
        if len(row) > max_tokens:
            raise ContextLengthExceeded(
                f"Input {index} has {len(row)} tokens; the model's maximum is {max_tokens}.",
                param="input",
            )


def load_encoder(model: Path, tokenizer: Path, context_length: int) -> Encoder:
    """Load an ONNX encoder and its tokenizer file. Raises WeightsBroken if they are invalid."""
    options = onnxruntime.SessionOptions()
    # One thread, because the language model needs the other cores more than embeddings do.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        loaded = Tokenizer.from_file(str(tokenizer))
    except Exception as error:  # both libraries raise bare exceptions
        raise WeightsBroken("The embedding model or its tokenizer cannot be loaded.") from error
    # The file enables truncation and padding to 128 tokens; a truncated text gets a wrong vector.
    loaded.no_truncation()
    loaded.no_padding()
    return Encoder(loaded, session, context_length, session.get_outputs()[0].shape[-1])


def _mean_pool(states: NDArray[Any], mask: NDArray[Any]) -> Vectors:
    """Return the mean of the non-padding token states, normalised to length 1."""
    weights = mask[:, :, np.newaxis].astype(np.float32)
    mean = (states * weights).sum(axis=1) / weights.sum(axis=1)
    unit: Vectors = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return unit
