"""A request of the Responses API in the form of a chat, and what its response repeats of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies
from gateway.wire.responses.items import Item, Messages, chat_messages, question_of
from gateway.wire.responses.request import (
    INCLUDE_LOGPROBS,
    INCLUDE_RESULTS,
    ResponseRequest,
    ResponseSchemaFormat,
)
from gateway.wire.responses.tools import ChatTools, chat_tools
from models.reasoning import REQUESTED_EFFORTS


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    """What shapes the response beside the model's answer.

    `head` are the fields that repeat the request. `searches_files`: the response begins with a
    `file_search_call`, which has its results if `includes_results`; `question` is what it searches.
    """

    head: dict[str, Any]
    searches_files: bool = False
    includes_results: bool = False
    question: str = ""


@dataclass(frozen=True, slots=True)
class ChatForm:
    """A request in the form of a chat, with the options of its response."""

    body: bytes
    options: ResponseOptions


def chat_form(request: ResponseRequest, items: Sequence[Item], first: int = 0) -> ChatForm:
    """Return the chat of a request whose input are `items`, the first of earlier responses.

    `first` is the number of the request's own first item. Raises ParameterInvalid,
    ParameterUnknown, ParameterUnsupported.
    """
    tools = chat_tools(request.tools, request.tool_choice)
    messages = chat_messages(items, first)
    if not messages:
        raise ParameterInvalid("`input` has no message.", param="input")
    question = question_of(messages)
    if tools.searches_files and not question.strip():
        raise ParameterInvalid(
            "'file_search' needs text in the last user message, which is the search query.",
            param="input",
        )
    instructions = request.instructions
    if instructions is not None:
        messages = [{"role": "system", "content": instructions}, *messages]
    includes_results = INCLUDE_RESULTS in (request.include or ())
    options = ResponseOptions(_head(request), tools.searches_files, includes_results, question)
    return ChatForm(bodies.encode_body(_chat_fields(request, messages, tools)), options)


def _chat_fields(request: ResponseRequest, messages: Messages, tools: ChatTools) -> dict[str, Any]:
    """Return the fields of the chat that are set."""
    wants_logprobs = INCLUDE_LOGPROBS in (request.include or ()) or request.top_logprobs
    fields = {
        "model": request.model,
        "messages": messages,
        "max_tokens": request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "logprobs": True if wants_logprobs else None,
        "top_logprobs": request.top_logprobs if wants_logprobs else None,
        "tools": tools.tools,
        "tool_choice": tools.choice,
        "parallel_tool_calls": request.parallel_tool_calls if tools.tools else None,
        "response_format": _response_format(request),
        "reasoning_effort": _effort(request),
        "service_tier": request.service_tier,
        "stream": True if request.stream else None,
        # The last event of a response has usage and cost.
        "stream_options": {"include_usage": True} if request.stream else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _response_format(request: ResponseRequest) -> dict[str, Any] | None:
    """Return the chat's `response_format`, None for a text."""
    wanted = None if request.text is None else request.text.format
    if wanted is None:
        return None
    fields: dict[str, Any] = msgspec.to_builtins(wanted)
    if not isinstance(wanted, ResponseSchemaFormat):
        return None if fields["type"] == "text" else fields
    kind = fields.pop("type")
    return {"type": kind, kind: {name: one for name, one in fields.items() if one is not None}}


def _effort(request: ResponseRequest) -> str | None:
    """Return the requested effort. Raises ParameterInvalid that lists the values."""
    effort = None if request.reasoning is None else request.reasoning.effort
    if effort is not None and effort not in REQUESTED_EFFORTS:
        raise ParameterInvalid(
            f"`reasoning.effort` must be one of {', '.join(REQUESTED_EFFORTS)}.",
            param="reasoning.effort",
        )
    return effort


def _head(request: ResponseRequest) -> dict[str, Any]:
    """Return the fields of a response that repeat its request."""
    text = request.text
    wanted = None if text is None or text.format is None else msgspec.to_builtins(text.format)
    reasoning = request.reasoning
    return {
        "background": bool(request.background),
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": None if reasoning is None else reasoning.effort, "summary": None},
        "safety_identifier": request.safety_identifier,
        "store": bool(request.store),
        "temperature": request.temperature,
        "text": {"format": wanted or {"type": "text"}},
        "tool_choice": request.tool_choice or "auto",
        "tools": request.tools or [],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": request.top_p,
        "truncation": "disabled",
        "user": request.user,
    }
