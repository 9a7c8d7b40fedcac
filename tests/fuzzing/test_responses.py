"""The Responses API: random requests, answers and chunks are converted, or rejected properly."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.call.values import Operation
from gateway.wire.responses.answer import response_of
from gateway.wire.responses.chat_form import ResponseOptions, chat_form
from gateway.wire.responses.items import decode_items, listed_items
from gateway.wire.responses.output import ResponseRef
from gateway.wire.responses.request import parse_response_request
from gateway.wire.responses.stream import ResponseStream
from infra import ids
from infra.errors import AppError
from tests.fuzzing.budget import TALLY, tried
from tests.fuzzing.mutating import altered, mutated
from tests.support.builders import CATALOG, CHAT
from tests.support.gateway.decoded import parsed

NOW = datetime(2026, 11, 30, tzinfo=UTC)
_CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
_PARTS = [
    {"type": "input_text", "text": "a"},
    {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
]
REQUEST: dict[str, Any] = {
    "model": CHAT,
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": _PARTS},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        _CALL,
        {"type": "function_call_output", "call_id": "c", "output": [_PARTS[0]]},
        {"role": "user", "content": "c"},
    ],
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
        {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 2},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [
        {"type": "function", "name": "f"}, {"type": "file_search"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    "reasoning": {"effort": "none"},
    "metadata": {"order": "A"},
    "include": ["file_search_call.results"],
    "stream": True,
}  # fmt: skip
FOUND = {"queries": ["c"], "results": [], "grounding": "verified"}
_TOOL_CALL = {
    "index": 0,
    "id": "c",
    "type": "function",
    "function": {"name": "f", "arguments": "{"},
}
DELTA = {"reasoning": "r", "content": "a", "refusal": "b", "tool_calls": [_TOOL_CALL]}
CHUNK = {
    "id": "c", "model": "m",
    "choices": [{"index": 0, "delta": {**DELTA, "annotations": [{"type": "file_citation"}]},
                 "logprobs": {"content": [{"token": "a"}]}, "finish_reason": "stop"}],
}  # fmt: skip
_TOKENS = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
_DETAILS = {"prompt_tokens_details": {"cached_tokens": 1}}
TOTAL = {"id": "c", "choices": [], "usage": {**_TOKENS, **_DETAILS}, "x_maas_cost": "0.1"}
ANSWER = {
    "id": "c", "model": "m", "file_search": FOUND, "usage": {"prompt_tokens": 1},
    "choices": [{"index": 0, "message": DELTA, "finish_reason": "stop"}],
}  # fmt: skip


def options() -> ResponseOptions:
    request = parse_response_request(json.dumps(REQUEST).encode())
    return chat_form(request, decode_items(request.input)).options


def ref() -> ResponseRef:
    return ResponseRef(ids.new_id(), NOW)


@tried(100, 3_000)
@given(st.one_of(altered(REQUEST), mutated([json.dumps(REQUEST).encode()])))
def test_random_request_is_converted_or_rejected(body: bytes) -> None:
    TALLY.count()
    with suppress(AppError):
        request = parse_response_request(body)
        items = decode_items(request.input)
        msgspec.json.encode(chat_form(request, items).options.head)
        msgspec.json.encode(listed_items(items, "ab" * 16))
        parsed(Operation.RESPONSES, body, CATALOG.models[CHAT])


def test_request_without_changes_is_converted() -> None:
    parsed(Operation.RESPONSES, json.dumps(REQUEST).encode(), CATALOG.models[CHAT])


@tried(80, 3_000)
@given(altered(ANSWER))
def test_random_answer_is_converted_or_rejected(body: bytes) -> None:
    TALLY.count()
    with suppress(AppError):
        msgspec.json.encode(response_of(body, ref(), options(), NOW))


@tried(80, 3_000)
@given(st.lists(altered(CHUNK), max_size=4), altered(TOTAL))
def test_random_chunks_are_converted_or_rejected_and_the_end_is_sent(
    chunks: list[bytes], total: bytes
) -> None:
    TALLY.count()
    stream = ResponseStream(ref(), options())
    with suppress(AppError):
        for chunk in chunks:
            stream.feed(b"data: " + chunk + b"\n\n")
    assert b"event: response." in stream.end(b"data: " + total + b"\n\ndata: [DONE]\n\n", NOW)
