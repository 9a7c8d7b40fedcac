"""The requests of a loop's steps, built from the client's request, and the model's replies."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from gateway.call.errors import UpstreamFailed
from gateway.call.values import OutputBounds, ParsedRequest
from gateway.collaboration.conversation import Reply, ToolCall
from gateway.wire import body as bodies
from gateway.wire.hosted_tools.choice import choice_fields
from gateway.wire.reasoning import limit_reasoning

# Of one step, if the client set no limit: a choice of tools and a short answer.
DEFAULT_STEP_TOKENS = 512
_LEFT_OUT = frozenset(
    {
        *("stream", "stream_options", "n", "max_tokens", "max_completion_tokens"),
        *("tools", "tool_choice", "parallel_tool_calls", "logprobs", "top_logprobs"),
    }
)
_MESSAGES = msgspec.json.Decoder(list[dict[str, Any]])
_TOOLS = msgspec.json.Decoder(list[dict[str, Any]])
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class _Call(msgspec.Struct):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]


_ANSWER = msgspec.json.Decoder(_Answer)


def step_request(
    request: ParsedRequest, added: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> ParsedRequest:
    """Return the request of one step: the client's messages, those added, and the tools.

    It is not streamed. `tools` are function definitions; none means that the model must answer.
    Which of them it may or must call is the client's choice.
    """
    kept = {name: raw for name, raw in request.request_fields.items() if name not in _LEFT_OUT}
    bounds = request.output_bounds
    tokens = bounds.max_tokens_per_choice
    if tools or not bounds.is_client_limited:  # a client's limit is for the answer alone
        tokens = min(request.model.context_length or DEFAULT_STEP_TOKENS, DEFAULT_STEP_TOKENS)
    values = {
        **limit_reasoning(kept, tokens),
        "messages": _encode([*_MESSAGES.decode(kept["messages"]), *added]),
        "max_tokens": _encode(tokens),
    }
    if tools:
        fields = {"tools": list(tools), **choice_fields(request.hosted_tools, added)}
        values |= {name: _encode(value) for name, value in fields.items()}
    return replace(
        request,
        body=bodies.encode_body(values),
        request_fields=values,
        stream=False,
        stream_reader=None,
        with_max_tokens=None,
        output_bounds=OutputBounds(tokens, 1, is_client_limited=True),
        hosted_tools=None,
    )


def without_usage(request: ParsedRequest) -> ParsedRequest:
    """Return the request as the parent of its steps: it consumes nothing itself."""
    return replace(
        request,
        request_fields={},
        with_max_tokens=None,
        output_bounds=OutputBounds(),
        retrieval=None,
    )


def read_reply(body: bytes) -> Reply:
    """Return what the model wrote. Raises UpstreamFailed if it cannot be read."""
    try:
        choice = _ANSWER.decode(body).choices[0]
    except (msgspec.MsgspecError, RecursionError, ValueError, IndexError):
        raise UpstreamFailed("The model's response could not be parsed.") from None
    calls = tuple(
        ToolCall(call.id or f"call_{number}", call.function.name, call.function.arguments)
        for number, call in enumerate(choice.message.tool_calls or ())
    )
    text = _THOUGHTS.sub("", choice.message.content or "").strip()
    return Reply(text, calls, choice.finish_reason or "stop")


def user_texts(request: ParsedRequest) -> tuple[str, ...]:
    """Return the texts of the user's messages, the newest last."""
    messages = _MESSAGES.decode(request.request_fields["messages"])
    texts = (
        _text_of(message.get("content")) for message in messages if message.get("role") == "user"
    )
    return tuple(text for text in texts if text.strip())


def client_functions(request: ParsedRequest) -> tuple[Mapping[str, Any], ...]:
    """Return the definitions of the client's own functions."""
    raw = request.request_fields.get("tools")
    return () if raw is None else tuple(_TOOLS.decode(raw))


def _text_of(content: Any) -> str:
    """Return the text of a message's content, a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (one.get("text") for one in content if isinstance(one, dict))
    return "\n".join(one for one in parts if isinstance(one, str))


def _encode(value: Any) -> msgspec.Raw:
    """Return a value as JSON."""
    return msgspec.Raw(msgspec.json.encode(value))
