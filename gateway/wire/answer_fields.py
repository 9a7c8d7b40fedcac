"""The fields of OpenAI's answers: chat, completions, embeddings, plain and streamed.

An engine's answer has more (token ids, cache addresses, timings, its version); what is not named
here is left out. Values pass as the bytes that the engine wrote: decoding a chunk of a stream into
these shapes and encoding it again takes about a microsecond.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from gateway.call.errors import UpstreamFailed
from gateway.call.values import Operation

_Value = Raw | UnsetType
Index = Annotated[int, Meta(ge=0)]
UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError)


class Message(msgspec.Struct, gc=False):
    """A message of a plain answer, or what a chunk adds to it; `reasoning` is vLLM's."""

    role: _Value = UNSET
    content: _Value = UNSET
    refusal: _Value = UNSET
    annotations: _Value = UNSET
    audio: _Value = UNSET
    function_call: _Value = UNSET
    tool_calls: _Value = UNSET
    reasoning: _Value = UNSET
    reasoning_content: _Value = UNSET


class Choice(msgspec.Struct, gc=False, kw_only=True):
    """A choice of a chat has a message or a delta, one of a plain completion a text."""

    index: Index
    message: Message | UnsetType = UNSET
    delta: Message | UnsetType = UNSET
    text: _Value = UNSET
    logprobs: _Value = UNSET
    finish_reason: _Value = UNSET


class Generated(msgspec.Struct, gc=False, kw_only=True):
    """A plain answer, or a chunk of a stream. `service_tier` is ours to tell, not the engine's."""

    id: _Value = UNSET
    object: _Value = UNSET
    created: _Value = UNSET
    model: _Value = UNSET
    choices: list[Choice]
    service_tier: Any = UNSET
    usage: _Value = UNSET


class Embedding(msgspec.Struct):
    """One vector."""

    object: _Value = UNSET
    index: _Value = UNSET
    embedding: _Value = UNSET


class Embedded(msgspec.Struct):
    """An answer with vectors."""

    object: _Value = UNSET
    data: list[Embedding] | UnsetType = UNSET
    model: _Value = UNSET
    usage: _Value = UNSET


_GENERATED = msgspec.json.Decoder(Generated)
_EMBEDDED = msgspec.json.Decoder(Embedded)
_encode = msgspec.json.Encoder().encode


def shown_chunk(data: bytes, with_usage: bool, tier: str | None = None) -> bytes:
    """The event of a chunk, as the client sees it. Raises ValueError where it is no chunk."""
    try:
        chunk = _GENERATED.decode(data)
    except UNREADABLE as error:
        raise ValueError(str(error)) from None
    if not with_usage:
        chunk.usage = UNSET
    chunk.service_tier = tier or UNSET
    return b"data: " + _encode(chunk)


def reshaper(operation: Operation, tier: str | None = None) -> Callable[[bytes], bytes]:
    """What makes an engine's plain answer the client's, naming the service tier if there is one."""
    if operation is Operation.EMBEDDINGS:
        return _embedded
    return partial(_generated, tier=tier)


def _generated(body: bytes, tier: str | None) -> bytes:
    try:
        answer = _GENERATED.decode(body)
    except UNREADABLE:
        raise _unreadable() from None
    answer.service_tier = tier or UNSET
    return _encode(answer)


def _embedded(body: bytes) -> bytes:
    try:
        return _encode(_EMBEDDED.decode(body))
    except UNREADABLE:
        raise _unreadable() from None


def _unreadable() -> UpstreamFailed:
    return UpstreamFailed("The model's answer could not be read.")
