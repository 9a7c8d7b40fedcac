"""Validate requests of `/v1/chat/completions` and build their upstream requests."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import msgspec

from gateway.call.errors import ParameterInvalid
from gateway.call.hosted_tools import HostedTools
from gateway.call.values import ParsedRequest, ResolvedModel
from gateway.wire import body as bodies
from gateway.wire import nested
from gateway.wire.file_search.request import parse_file_search, parse_retrieval
from gateway.wire.generation import build_generation_request, output_bounds, require_stream
from gateway.wire.hosted_tools import extract_hosted_tools
from gateway.wire.parameters import CHAT_PARAMETERS, select_upstream_fields
from gateway.wire.parts import require_inline
from gateway.wire.reasoning import parse_effort, reasoning_fields
from gateway.wire.requests import ChatRequest
from gateway.wire.sse import StreamTransformer
from gateway.wire.tool_arguments import conform_calls
from models.reasoning import ReasoningEffort


class ParsedChat(NamedTuple):
    """A validated chat, with the fields for the model as the client sent them."""

    request: ChatRequest
    values: Mapping[str, msgspec.Raw]


class TextPart(msgspec.Struct):
    """A content part of a message; only its text is read here."""

    text: str = ""


_REQUEST = msgspec.json.Decoder(ChatRequest)
_PART = msgspec.json.Decoder(TextPart)
# The longest message that is read with the one before it, in characters.
_SHORT_TEXT = 120


def parse_chat_request(body: bytes) -> ParsedChat:
    """Parse and validate the body of a chat request.

    Raises BodyNotJson, ParameterInvalid, ParameterUnknown, ParameterUnsupported.
    """
    request = bodies.decode_body(_REQUEST, body)
    require_stream(request)
    requested_effort(request)
    values = select_upstream_fields(CHAT_PARAMETERS, bodies.decode_fields(body))
    for number, message in enumerate(request.messages):
        require_inline(message.content, f"messages[{number}].content")
    nested.validate_nested_objects(request, values)
    return ParsedChat(request, values)


def build_chat_request(
    parsed: ParsedChat,
    resolved: ResolvedModel,
    path: str,
    transformer: type[StreamTransformer] = StreamTransformer,
) -> ParsedRequest:
    """Build the upstream request of a validated chat, without its `file_search` tool.

    `transformer` is the reader of a stream.

    Raises ParameterUnsupported if the model cannot reason and the request asks for it.
    """
    # A fallback model builds the request again, so the fields are copied before they are changed.
    request, values = parsed.request, dict(parsed.values)
    hosted_tools = extract_hosted_tools(values) if "tools" in values else None
    if hosted_tools is not None:
        return _with_hosted_tools(request, resolved, path, values, hosted_tools)
    retrieval = parse_retrieval(values, question_text(request), resolved.model)
    values |= reasoning_fields(
        resolved.model, requested_effort(request), requested_max_tokens(request)
    )
    bounds = output_bounds(resolved.model, requested_max_tokens(request), request.n or 1)
    built = build_generation_request(
        request, resolved, path, values, bounds, retrieval, transformer
    )
    built = replace(built, refuses_tools=request.tool_choice == "none")
    return _with_conformed_calls(built, request) if request.tools else built


def _with_conformed_calls(built: ParsedRequest, request: ChatRequest) -> ParsedRequest:
    """Return the request of a chat with functions, whose whole answer has calls in their types."""
    convert, tools = built.convert_response, request.tools or []
    if convert is None or built.stream:
        return built
    return replace(built, convert_response=lambda body: conform_calls(convert(body), tools))


def _with_hosted_tools(
    request: ChatRequest,
    resolved: ResolvedModel,
    path: str,
    values: dict[str, msgspec.Raw],
    hosted_tools: HostedTools,
) -> ParsedRequest:
    """Build the request of a chat with hosted tools, from its fields without the tool.

    Only what `file_search` names is searched. Raises ParameterInvalid if the last user
    message has no text.
    """
    question = question_text(request)
    if not question.strip():
        raise ParameterInvalid(
            "A hosted tool needs text in the last user message.", param="messages"
        )
    values |= reasoning_fields(
        resolved.model, requested_effort(request), requested_max_tokens(request)
    )
    bounds = output_bounds(resolved.model, requested_max_tokens(request), 1)
    retrieval = parse_file_search(values, question, resolved.model)
    built = build_generation_request(request, resolved, path, values, bounds, retrieval)
    return replace(built, hosted_tools=hosted_tools)


def question_text(request: ChatRequest) -> str:
    """Return the text of the last user message, empty if it has none."""
    contents = (message.content for message in reversed(request.messages) if message.role == "user")
    return _message_text(next(contents, None))


def task_text(request: ChatRequest) -> str:
    """Return the text by which the task of a chat is recognized: the last user message.

    A short one may answer a question about the message before it, which is put before it.
    """
    texts = [_message_text(one.content) for one in request.messages if one.role == "user"]
    is_short = bool(texts) and len(texts[-1]) <= _SHORT_TEXT
    return "\n".join(texts[-2:] if is_short else texts[-1:])


def requested_max_tokens(request: ChatRequest) -> int | None:
    """Return the client's limit of output tokens per choice, or None if it set none."""
    if request.max_completion_tokens is not None:
        return request.max_completion_tokens
    return request.max_tokens


def requested_effort(request: ChatRequest) -> ReasoningEffort | None:
    """Return the effort with which the model is asked to reason, or None if the client set none.

    Raises ParameterInvalid.
    """
    return parse_effort(request.reasoning_effort)


def _message_text(content: str | list[msgspec.Raw] | None) -> str:
    """Return the text of a message's content."""
    if isinstance(content, list):
        return " ".join(_text_of(part) for part in content)
    return content or ""


def _text_of(part: msgspec.Raw) -> str:
    """Return the text of a content part, empty if the part is not text."""
    try:
        return _PART.decode(part).text
    except msgspec.ValidationError:
        return ""
