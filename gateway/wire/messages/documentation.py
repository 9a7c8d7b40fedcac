"""`/v1/messages` in the OpenAPI document, with examples."""

from typing import Any

import msgspec

from gateway.wire.documentation import Documentation, Examples
from gateway.wire.messages.answer import Message
from gateway.wire.messages.requests import MessagesRequest
from models.catalog import Task

_DESCRIPTION = (
    "Anthropic's Messages API. The key is sent as `x-api-key` or `Authorization: Bearer`. The "
    "models are those of `GET /v1/models`; names of other providers' models are not aliases of "
    "them. With `stream: true` the answer is a stream of Anthropic's events; `message_delta` has "
    "the usage and `x_maas_cost`, `x_maas_currency` and `x_maas_balance`."
)


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of a message, plain and streamed, with this model id."""
    plain = {
        "model": model,
        "max_tokens": 40,
        "system": "Write this work order in plain text.",
        "messages": [{"role": "user", "content": "rplce lh eng oil fltr"}],
    }
    usage = {"input_tokens": 21, "output_tokens": 9}
    message = {"id": "msg_019acb00c47d7c11b3f0a5d2e8c96f41", "type": "message"}
    message |= {"role": "assistant", "model": model}
    content = [{"type": "text", "text": "replace left hand engine oil filter"}]
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    answer = {**message, "content": content, **ended, "usage": usage}
    return Examples(
        {"Whole answer": plain, "Streamed answer": {**plain, "stream": True}},
        answer,
        _example_stream(message, content[0]["text"], ended, usage),
    )


def _example_stream(
    message: dict[str, Any], text: str, ended: dict[str, Any], usage: dict[str, int]
) -> str:
    """Return the events of a streamed message with one text block."""
    start = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**start, "usage": {**usage, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": text},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": usage},
        {"type": "message_stop"},
    ]
    return "".join(
        f"event: {event['type']}\ndata: {msgspec.json.encode(event).decode()}\n\n"
        for event in events
    )


MESSAGES_DOCUMENTATION = Documentation(
    request=MessagesRequest,
    answer=Message,
    summary="Create a message",
    description=_DESCRIPTION,
    examples=_examples,
    example_task=Task.TEXT_GENERATION,
)
