"""Common to chat and text completions: how `auto` chooses a model, and the OpenAPI examples."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.call.values import Principal
from gateway.inference.model_selection import (
    BYTES_PER_TOKEN,
    EXPECTED_OUTPUT_TOKENS,
    SelectionCriteria,
)
from models.catalog import Task

TASKS = frozenset({Task.TEXT_GENERATION})
STREAM_DESCRIPTION = (
    "With `stream: true` the answer is a stream of server-sent events that ends with "
    "`data: [DONE]`. With `stream_options.include_usage` its last chunk has the usage and "
    "`x_maas_cost`, `x_maas_currency` and `x_maas_balance`."
)
_USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 9,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 16},
}


def text_criteria(
    principal: Principal, text: str, body: bytes, max_tokens: int | None
) -> SelectionCriteria:
    """Return the criteria that select a language model for a text.

    `max_tokens` is the client's limit per choice, None if it set none.
    """
    return SelectionCriteria(
        principal.model_prices,
        text,
        input_tokens=len(body) // BYTES_PER_TOKEN,
        output_tokens=max_tokens or EXPECTED_OUTPUT_TOKENS,
    )


def plain_and_streamed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the example request as it is and with streaming added, by title."""
    streamed = {**plain, "stream": True, "stream_options": {"include_usage": True}}
    return {"Whole answer": plain, "Streamed answer": streamed}


def example_completion(model: str, kind: str, choices: list[Any]) -> dict[str, Any]:
    """Return an example response; `kind` is the value of its field `object`."""
    return {**_head(model, kind), "choices": choices, "usage": _USAGE}


def example_stream(model: str, kind: str, choices: list[Any]) -> str:
    """Return the server-sent events of a stream: a chunk per choice, the usage chunk, `[DONE]`."""
    head = _head(model, kind)
    chunks = [{**head, "choices": [choice]} for choice in choices]
    chunks.append({**head, "choices": [], "usage": _USAGE})
    events = [f"data: {msgspec.json.encode(chunk).decode()}\n\n" for chunk in chunks]
    return "".join([*events, "data: [DONE]\n\n"])


def _head(model: str, kind: str) -> dict[str, Any]:
    """Return id, object, time and model of an example response; `kind` is its field `object`."""
    return {"id": "chatcmpl-7f3a", "object": kind, "created": 1795824000, "model": model}
