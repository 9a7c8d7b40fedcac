"""OpenAI's embeddings wire: requests read and answers written."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from serving.embeddings.encoder import Sized, Tokens, Vectors
from serving.errors import InputInvalid, ModelUnknown

MAX_INPUTS = 2048
FLOAT = "float"
BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A request in order. An input is a text, or the tokens of one."""

    inputs: tuple[str | Tokens, ...]
    encoding_format: str


class _Named(msgspec.Struct):
    model: str


class _Wire(msgspec.Struct):
    model: str
    input: Any
    encoding_format: str = FLOAT
    dimensions: int | None = None


def model_of(body: bytes) -> str:
    """Which model a request is for. Raises InputInvalid."""
    try:
        return msgspec.json.decode(body, type=_Named).model
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The request is not an embeddings request: {error}.") from error


def parse_request(body: bytes, model: str, dimensions: int) -> EmbeddingRequest:
    """Read a request for `model`. Raises InputInvalid or ModelUnknown, naming the field."""
    try:
        wire = msgspec.json.decode(body, type=_Wire)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The request is not an embeddings request: {error}.") from error
    if wire.model != model:
        raise ModelUnknown("There is no such embedding model here.", param="model")
    if wire.encoding_format not in (FLOAT, BASE64):
        raise InputInvalid("encoding_format is float or base64.", param="encoding_format")
    if wire.dimensions is not None and wire.dimensions != dimensions:
        raise InputInvalid(
            f"The model gives {dimensions} dimensions and cannot give another number.",
            param="dimensions",
        )
    return EmbeddingRequest(_inputs(wire.input), wire.encoding_format)


def render_response(
    model: str, request: EmbeddingRequest, rows: Sequence[Sized], vectors: Vectors
) -> bytes:
    """Write the answer. Tokens are counted as the model reads them, the framing marks included."""
    tokens = sum(len(row) for row in rows)
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector, request)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})


def _written(vector: Vectors, request: EmbeddingRequest) -> Any:
    if request.encoding_format == BASE64:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()


def _inputs(given: Any) -> tuple[str | Tokens, ...]:
    """`input` is a text, several texts, the tokens of one text, or of several."""
    if isinstance(given, str):
        items: list[Any] = [given]
    elif isinstance(given, list) and given and all(_is_token(item) for item in given):
        items = [given]
    elif isinstance(given, list):
        items = given
    else:
        raise InputInvalid("input is a text or a list.", param="input")
    if not 1 <= len(items) <= MAX_INPUTS:
        raise InputInvalid(f"input holds 1 to {MAX_INPUTS} texts.", param="input")
    return tuple(_input(item, index) for index, item in enumerate(items))


def _input(item: Any, index: int) -> str | Tokens:
    if isinstance(item, str) and item:
        return item
    if isinstance(item, list) and item and all(_is_token(token) for token in item):
        return tuple(item)
    raise InputInvalid(f"Input {index} is empty, or neither a text nor tokens.", param="input")


def _is_token(item: Any) -> bool:
    return isinstance(item, int) and not isinstance(item, bool)
