"""`POST /v1/messages`: Anthropic's Messages API, answered as a chat."""

from dataclasses import replace
from typing import Any

import msgspec

from gateway.call.values import Call, Operation, ParsedRequest, Principal, ResolvedModel
from gateway.inference.endpoints import text_generation
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.endpoint import (
    DecodedRequest,
    Documentation,
    Endpoint,
    ErrorFormat,
    Examples,
    UsageGroup,
)
from gateway.inference.messages_exchange import MessagesExchange
from gateway.inference.model_selection import ModelSelector
from gateway.inference.token_count import PromptFormat
from gateway.wire import chat
from gateway.wire.messages.answer import Message, require_convertible
from gateway.wire.messages.conversion import chat_fields, fields_for_model, parse_messages_request
from gateway.wire.messages.errors import message_error
from gateway.wire.messages.parameters import MESSAGES_PARAMETERS
from gateway.wire.messages.requests import MessagesRequest
from gateway.wire.messages.stop_sequences import StopSequenceTransformer, keep_stop_sequence
from models.catalog import AUTO, Task

_DESCRIPTION = (
    "Anthropic's Messages API. The key is sent as `x-api-key` or `Authorization: Bearer`. The "
    "models are those of `GET /v1/models`; names of other providers' models are not aliases of "
    "them. With `stream: true` the answer is a stream of Anthropic's events; `message_delta` has "
    "the usage and `x_maas_cost`, `x_maas_currency` and `x_maas_balance`."
)


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate a request and convert it to a chat request."""
    request = parse_messages_request(body)
    fields = chat_fields(request)
    chat_request = chat.parse_chat_request(msgspec.json.encode(fields))

    def for_model(resolved: ResolvedModel) -> ParsedRequest:
        """Return the parsed chat request for the resolved model."""
        return _build_request(fields_for_model(fields, request, resolved.model), resolved)

    if request.model != AUTO:
        return DecodedRequest(request.model, for_model)
    text = chat.question_text(chat_request)
    criteria = text_generation.text_criteria(principal, text, body, request.max_tokens)
    return DecodedRequest(request.model, for_model, criteria=criteria)


def _build_request(fields: dict[str, Any], resolved: ResolvedModel) -> ParsedRequest:
    """Build the upstream request of a chat whose answer can become a message."""
    body = msgspec.json.encode(fields)
    request = chat.build_chat_request(
        chat.parse_chat_request(body), resolved, CHAT.path, body, StopSequenceTransformer
    )
    convert = request.convert_response

    def convert_response(response: bytes) -> bytes:
        """Return the chat response. Raises UpstreamFailed if it cannot become a message."""
        return require_convertible(response if convert is None else convert(response))

    return replace(request, convert_response=keep_stop_sequence(convert_response))


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


MESSAGES = Endpoint(
    operation=Operation.MESSAGES,
    path="/v1/messages",
    label="Messages API",
    tasks=text_generation.TASKS,
    decode=_decode,
    select_model=ModelSelector.select_for_text,
    prompt=PromptFormat("messages", is_chat=True),
    parameters=MESSAGES_PARAMETERS,
    usage_group=UsageGroup.COMPLETIONS,
    exchange=MessagesExchange,
    error_format=ErrorFormat("MessagesError", message_error),
    guarded_fields=("messages", "system"),
    documentation=Documentation(
        request=MessagesRequest,
        answer=Message,
        summary="Create a message",
        description=_DESCRIPTION,
        examples=_examples,
        example_task=Task.TEXT_GENERATION,
    ),
)
