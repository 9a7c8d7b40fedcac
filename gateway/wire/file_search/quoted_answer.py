"""An answer without text in the form of a model server, to be completed by a quotation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.wire.sse import DONE

_encode = msgspec.json.Encoder().encode


def empty_completion(
    request_id: UUID, created: datetime, model: str, tokens: tuple[int, int]
) -> bytes:
    """Return a chat completion with one empty choice; `tokens` are those of input and output."""
    message = {"role": "assistant", "content": ""}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    identity = _identity(request_id, created, model, "chat.completion")
    return _encode({**identity, "choices": [choice], "usage": _usage(tokens)})


def empty_stream(request_id: UUID, created: datetime, model: str, tokens: tuple[int, int]) -> bytes:
    """Return the events of a stream with one empty choice, its usage and `[DONE]`."""
    identity = _identity(request_id, created, model, "chat.completion.chunk")
    first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    last = {"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}
    nothing = _usage((tokens[0], 0))
    return b"".join(
        (
            _event({**identity, "choices": [first], "usage": nothing}),
            _event({**identity, "choices": [last], "usage": _usage(tokens)}),
            _event({**identity, "choices": [], "usage": _usage(tokens)}),
            DONE,
        )
    )


def _identity(request_id: UUID, created: datetime, model: str, kind: str) -> dict[str, Any]:
    """Return the fields that every answer or chunk has."""
    return {
        "id": f"chatcmpl-{request_id.hex}",
        "object": kind,
        "created": int(created.timestamp()),
        "model": model,
    }


def _usage(tokens: tuple[int, int]) -> dict[str, int]:
    """Return the `usage` object for tokens of input and output."""
    return {
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "total_tokens": sum(tokens),
    }


def _event(chunk: Mapping[str, Any]) -> bytes:
    """Return a chunk as a server-sent event."""
    return b"data: " + _encode(chunk) + b"\n\n"
