"""The request for a second answer, after a first one with statements of no passage."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from gateway.call.values import OutputBounds, ParsedRequest
from gateway.wire import body as bodies
from gateway.wire.file_search.request import append_correction
from gateway.wire.reasoning import limit_reasoning

# Fields of the first request that a second answer, a text that is not streamed, must not have.
_LEFT_OUT = frozenset(
    {
        *("stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls"),
        *("n", "max_tokens", "max_completion_tokens"),
    }
)


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    index: int = 0


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []


_ANSWER = msgspec.json.Decoder(_Answer)


def second_request(
    request: ParsedRequest, question: str, claims: Sequence[str], max_tokens: int, choices: int
) -> ParsedRequest:
    """Return the request for a second answer, not streamed, of at most `max_tokens` per choice.

    The prompt begins like the first, so that the engine has most of it in its cache, and adds the
    claims to leave out.
    """
    kept = {name: raw for name, raw in request.request_fields.items() if name not in _LEFT_OUT}
    values = {
        **limit_reasoning(kept, max_tokens),
        "messages": append_correction(kept, question, claims),
        "max_tokens": _encode(max_tokens),
        **({"n": _encode(choices)} if choices > 1 else {}),
    }
    return replace(
        request,
        body=bodies.encode_body(values),
        request_fields=values,
        stream=False,
        stream_reader=None,
        with_max_tokens=None,
        output_bounds=OutputBounds(max_tokens, choices, is_client_limited=True),
        citations=None,
    )


def read_texts(body: bytes) -> list[str]:
    """Return the texts of an answer's choices in their order; none if it cannot be parsed."""
    try:
        choices = _ANSWER.decode(body).choices
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return []
    return [one.message.content or "" for one in sorted(choices, key=lambda one: one.index)]


def _encode(number: int) -> msgspec.Raw:
    """Return a number as JSON."""
    return msgspec.Raw(msgspec.json.encode(number))
