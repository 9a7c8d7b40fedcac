"""The response fields that clients see: chat, completions and embeddings, streamed or not.

An engine's response has more fields (token ids, cache addresses, timings, its version); every field
that is not declared here is dropped. Values stay the engine's bytes (msgspec.Raw): decoding and
re-encoding a chunk takes about a microsecond.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from gateway.call.errors import UpstreamFailed

_RawField = Raw | UnsetType
_NULL = b"null"
Index = Annotated[int, Meta(ge=0)]
DECODE_ERRORS = (msgspec.MsgspecError, RecursionError, ValueError)


@dataclass(frozen=True, slots=True)
class ResponseIdentity:
    """What a response says about its origin: public model name and service tier; None if absent.

    Without a model name the engine's is kept.
    """

    model: str | None = None
    tier: str | None = None


_ENGINE_IDENTITY = ResponseIdentity()


class ResponseMessage(msgspec.Struct, gc=False):
    """A choice's message, or the delta of a chunk.

    vLLM names the model's thoughts `reasoning`; many clients read `reasoning_content`, the name in
    the APIs of DeepSeek and Qwen. Clients get both.
    """

    role: _RawField = UNSET
    content: _RawField = UNSET
    refusal: _RawField = UNSET
    annotations: _RawField = UNSET
    audio: _RawField = UNSET
    function_call: _RawField = UNSET
    tool_calls: _RawField = UNSET
    reasoning: _RawField = UNSET
    reasoning_content: _RawField = UNSET


class ResponseChoice(msgspec.Struct, gc=False, kw_only=True):
    """A choice: with `message` or `delta` in a chat, with `text` in a text completion."""

    index: Index
    message: ResponseMessage | UnsetType = UNSET
    delta: ResponseMessage | UnsetType = UNSET
    text: _RawField = UNSET
    logprobs: _RawField = UNSET
    finish_reason: _RawField = UNSET


class GenerationResponse(msgspec.Struct, gc=False, kw_only=True):
    """A response of a text model, or a chunk. The gateway sets `model` and `service_tier`."""

    id: _RawField = UNSET
    object: _RawField = UNSET
    created: _RawField = UNSET
    model: Any = UNSET
    choices: list[ResponseChoice]
    service_tier: Any = UNSET
    usage: _RawField = UNSET


class EmbeddingVector(msgspec.Struct):
    """One embedding of a response."""

    object: _RawField = UNSET
    index: _RawField = UNSET
    embedding: _RawField = UNSET


class EmbeddingResponse(msgspec.Struct):
    """The response of an embedding model."""

    object: _RawField = UNSET
    data: list[EmbeddingVector] | UnsetType = UNSET
    model: _RawField = UNSET
    usage: _RawField = UNSET


_GENERATED = msgspec.json.Decoder(GenerationResponse)
_EMBEDDED = msgspec.json.Decoder(EmbeddingResponse)
_encode = msgspec.json.Encoder().encode


def encode_chunk_event(
    data: bytes, with_usage: bool, identity: ResponseIdentity = _ENGINE_IDENTITY
) -> bytes:
    """Re-encode a stream chunk as an event with public fields only.

    `model` replaces the server's name of the model. Raises ValueError if the data is not a valid
    chunk.
    """
    try:
        chunk = _GENERATED.decode(data)
    except DECODE_ERRORS as error:
        raise ValueError(str(error)) from None
    if not with_usage:
        chunk.usage = UNSET
    return b"data: " + _encode(_with_public_fields(chunk, identity))


def convert_generation(body: bytes, identity: ResponseIdentity = _ENGINE_IDENTITY) -> bytes:
    """Re-encode a text model's non-streamed response with public fields only.

    Raises UpstreamFailed.
    """
    try:
        answer = _GENERATED.decode(body)
    except DECODE_ERRORS:
        raise _unreadable_response() from None
    return _encode(_with_public_fields(answer, identity))


def _with_public_fields(
    response: GenerationResponse, identity: ResponseIdentity
) -> GenerationResponse:
    """Set the fields that are not the engine's, in place: origin, and the thoughts' second name."""
    response.service_tier = identity.tier or UNSET
    if identity.model is not None and response.model is not UNSET:
        response.model = identity.model
    for choice in response.choices:
        message = choice.delta or choice.message
        if message:
            _add_reasoning_content(message)
    return response


def _add_reasoning_content(message: ResponseMessage) -> None:
    """Give the thoughts of a message the names `reasoning` and `reasoning_content`, in place."""
    thoughts, content = message.reasoning, message.reasoning_content
    if thoughts is not UNSET and content is UNSET and bytes(thoughts) != _NULL:
        message.reasoning_content = thoughts
    elif content is not UNSET and thoughts is UNSET and bytes(content) != _NULL:
        message.reasoning = content


def convert_embeddings(body: bytes) -> bytes:
    """Re-encode an embedding response with public fields only. Raises UpstreamFailed."""
    try:
        return _encode(_EMBEDDED.decode(body))
    except DECODE_ERRORS:
        raise _unreadable_response() from None


def _unreadable_response() -> UpstreamFailed:
    """Return the error for a model response that cannot be parsed."""
    return UpstreamFailed("The model's response could not be parsed.")
