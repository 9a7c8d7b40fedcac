"""Parse requests and render responses of OpenAI's embeddings API."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from serving.embeddings.encoder import TokenisedInput, Tokens, Vectors
from serving.errors import InputInvalid, ModelNotFound

MAX_INPUTS = 2048
FLOAT = "float"
BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A validated embeddings request; each input is a text or its token ids."""

    inputs: tuple[str | Tokens, ...]
    encoding_format: str


class _ModelField(msgspec.Struct):
    """The `model` field of a request body."""

    model: str


class _RequestBody(msgspec.Struct):
    """The JSON body of an embeddings request."""

    model: str
    input: Any
    encoding_format: str = FLOAT
    dimensions: int | None = None


def parse_model_id(body: bytes) -> str:
    """Return the `model` of a request body. Raises InputInvalid."""
    try:
        return msgspec.json.decode(body, type=_ModelField).model
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The embeddings request is not valid: {error}.") from error


def parse_request(body: bytes, model: str, dimensions: int) -> EmbeddingRequest:
    """Parse a request body for `model`. Raises InputInvalid or ModelNotFound, naming the field."""
    try:
        wire = msgspec.json.decode(body, type=_RequestBody)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The embeddings request is not valid: {error}.") from error
    if wire.model != model:
        raise ModelNotFound("This deployment does not serve this embedding model.", param="model")
    if wire.encoding_format not in (FLOAT, BASE64):
        raise InputInvalid("encoding_format must be float or base64.", param="encoding_format")
    if wire.dimensions is not None and wire.dimensions != dimensions:
        raise InputInvalid(
            f"dimensions must be {dimensions} for this model.",
            param="dimensions",
        )
    return EmbeddingRequest(_parse_inputs(wire.input), wire.encoding_format)


def render_response(
    model: str, request: EmbeddingRequest, rows: Sequence[TokenisedInput], vectors: Vectors
) -> bytes:
    """Render the response; the usage counts tokens including special tokens."""
    tokens = sum(len(row) for row in rows)
    data = [
        {"object": "embedding", "index": index, "embedding": _render_vector(vector, request)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})


def _render_vector(vector: Vectors, request: EmbeddingRequest) -> Any:
    """Return a vector as a list of floats, or as base64 of little-endian float32."""
    if request.encoding_format == BASE64:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()


def _parse_inputs(value: Any) -> tuple[str | Tokens, ...]:
    """Parse `input`: a text, texts, the token ids of a text, or of several. Raises InputInvalid."""
    if isinstance(value, str):
        items: list[Any] = [value]
    elif isinstance(value, list) and value and all(_is_token(item) for item in value):
        items = [value]
    elif isinstance(value, list):
        items = value
    else:
        raise InputInvalid("input must be a string or a list.", param="input")
    if not 1 <= len(items) <= MAX_INPUTS:
        raise InputInvalid(f"input must have 1 to {MAX_INPUTS} entries.", param="input")
    return tuple(_parse_input(item, index) for index, item in enumerate(items))


def _parse_input(item: Any, index: int) -> str | Tokens:
    """Return an input as a text or a tuple of token ids. Raises InputInvalid."""
    if isinstance(item, str) and item:
        return item
    if isinstance(item, list) and item and all(_is_token(token) for token in item):
        return tuple(item)
    raise InputInvalid(
        f"Input {index} must be a non-empty string or a list of tokens.", param="input"
    )


def _is_token(item: Any) -> bool:
    """Return whether a JSON value is an integer (a token id); booleans are not."""
    return isinstance(item, int) and not isinstance(item, bool)
