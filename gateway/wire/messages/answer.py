"""Convert a chat completion to a message."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.wire.body import decode_fields
from gateway.wire.file_search.citations import FILE_SEARCH
from gateway.wire.usage import UsageObject

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]
MESSAGE_ID_PREFIX = "msg_"
# Cost, balance, and decisions of specialists.
EXTENSION_PREFIX = "x_maas_"
TOOL_USE: StopReason = "tool_use"
STOP_SEQUENCE: StopReason = "stop_sequence"
_END_TURN: StopReason = "end_turn"
STOP_REASONS: Mapping[str, StopReason] = {
    "stop": _END_TURN,
    "length": "max_tokens",
    "tool_calls": TOOL_USE,
    "content_filter": "refusal",
}


class MessageText(msgspec.Struct, tag="text"):
    """A text of the answer."""

    text: str


class MessageThinking(msgspec.Struct, tag="thinking"):
    """What the model wrote before its answer. The signature is empty."""

    thinking: str
    signature: str


class MessageToolUse(msgspec.Struct, tag="tool_use"):
    """A tool that the model calls."""

    id: str
    name: str
    input: dict[str, Any]


class OutputTokensDetails(msgspec.Struct):
    """The tokens of the reasoning, a part of the output tokens."""

    thinking_tokens: int


class MessageUsage(msgspec.Struct):
    """The tokens of a message. `input_tokens` are those that were not in the cache."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens_details: OutputTokensDetails | UnsetType = UNSET


class Message(msgspec.Struct, kw_only=True):
    """The response of `/v1/messages` without `stream`."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[MessageText | MessageThinking | MessageToolUse]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: MessageUsage
    file_search: Annotated[Any, Meta(description="As in a chat completion")] = UNSET


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function
    id: str = ""


class _ChatMessage(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    message: _ChatMessage
    finish_reason: str | None = None


class _ChatCompletion(msgspec.Struct):
    """The fields of a chat completion that a message has too."""

    choices: Annotated[list[_Choice], Meta(min_length=1)]
    usage: UsageObject
    model: str = ""
    stop_sequence: str | None = None


_COMPLETION = msgspec.json.Decoder(_ChatCompletion)
_INPUT = msgspec.json.Decoder(dict[str, Any])
_DECODE_ERRORS = (msgspec.MsgspecError, RecursionError, ValueError)


def convert_completion(body: bytes, message_id: str) -> bytes:
    """Return a chat completion as a message with this id. Raises msgspec's errors."""
    completion = _COMPLETION.decode(body)
    choice = completion.choices[0]
    message = Message(
        id=message_id,
        type="message",
        role="assistant",
        model=completion.model,
        content=_content(choice.message),
        stop_reason=stop_reason(
            choice.finish_reason, bool(choice.message.tool_calls), completion.stop_sequence
        ),
        stop_sequence=completion.stop_sequence,
        usage=message_usage(completion.usage),
    )
    return _with_extensions(msgspec.json.encode(message), body)


def _with_extensions(message: bytes, completion: bytes) -> bytes:
    """Return a message with the fields that this gateway adds to a chat completion."""
    fields = decode_fields(completion)
    added = {name: fields[name] for name in fields if is_extension(name)}
    return message[:-1] + b"," + msgspec.json.encode(added)[1:] if added else message


def is_extension(field: str) -> bool:
    """Return whether a field of a chat response is one of this gateway's own."""
    return field == FILE_SEARCH or field.startswith(EXTENSION_PREFIX)


def stop_reason(
    finish_reason: str | None, has_tool_calls: bool, stop_sequence: str | None
) -> StopReason:
    """Return why a message ended. Engines end a call of a named tool with `stop`."""
    if stop_sequence is not None:
        return STOP_SEQUENCE
    reason = STOP_REASONS.get(finish_reason or "", _END_TURN)
    return TOOL_USE if has_tool_calls and reason == _END_TURN else reason


def message_usage(usage: UsageObject) -> MessageUsage:
    """Return the tokens of a chat completion, with cached input tokens apart."""
    details, output = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = 0 if details is None else details.cached_tokens or 0
    thoughts = None if output is None else output.reasoning_tokens
    return MessageUsage(
        input_tokens=max(0, usage.prompt_tokens - cached),
        output_tokens=usage.completion_tokens or 0,
        cache_read_input_tokens=cached,
        output_tokens_details=UNSET if not thoughts else OutputTokensDetails(thoughts),
    )


def _content(message: _ChatMessage) -> list[MessageText | MessageThinking | MessageToolUse]:
    """Return the blocks of a message: thoughts, text, tool calls."""
    blocks: list[MessageText | MessageThinking | MessageToolUse] = []
    if message.reasoning_content:
        blocks.append(MessageThinking(message.reasoning_content, ""))
    if message.content:
        blocks.append(MessageText(message.content))
    for call in message.tool_calls or ():
        name, arguments = call.function.name, call.function.arguments
        blocks.append(MessageToolUse(call.id, name, _parse_input(arguments)))
    return blocks


def _parse_input(arguments: str | None) -> dict[str, Any]:
    """Return the input of a tool; empty if the answer was cut within it."""
    try:
        return _INPUT.decode(arguments or "{}")
    except _DECODE_ERRORS:
        return {}
