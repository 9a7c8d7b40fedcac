"""The response of `/v1/responses` in the OpenAPI document, with examples.

Responses are not validated against these types. Docstrings here are part of the document.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from gateway.wire.responses.output import (
    ResponseRef,
    ResponseStatus,
    empty_item,
    response_object,
    text_part,
)
from models.grounding.answer import Grounding

_EXAMPLE_ID = UUID("019acb00c47d7c11b3f0a5d2e8c96f41")
_EXAMPLE_TIME = datetime(2026, 11, 28, 8, tzinfo=UTC)


class InputDetails(msgspec.Struct):
    """`input_tokens_details`."""

    cached_tokens: int
    cache_write_tokens: int


class OutputDetails(msgspec.Struct):
    """`output_tokens_details`; reasoning tokens are a part of the output tokens."""

    reasoning_tokens: int


class ResponseUsage(msgspec.Struct):
    """`usage`."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseFailure(msgspec.Struct):
    """`error` of a response that failed; `maas_code` is a code of docs/errors.md."""

    code: str
    message: str
    type: str | None
    param: str | None
    maas_code: str | None


class ResponseObject(msgspec.Struct, kw_only=True):
    """A response. Its other fields repeat the request.

    `grounding` says how an answer relates to the passages that were searched for it.
    """

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: ResponseStatus
    error: ResponseFailure | None
    incomplete_details: dict[str, str] | None
    model: str
    output: list[dict[str, Any]]
    usage: ResponseUsage | None
    grounding: Grounding | UnsetType = UNSET


def example_response(model: str, head: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return an example of a response with a message."""
    ref = ResponseRef(_EXAMPLE_ID, _EXAMPLE_TIME)
    message = empty_item("message", ref.item_id("message", 0))
    item = {**message, "status": "completed", "content": [text_part(text)]}
    usage = {
        "input_tokens": 21,
        "input_tokens_details": {"cached_tokens": 16, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 30,
    }
    status = ResponseStatus.COMPLETED
    fields = {"model": model, "usage": usage, "service_tier": "default"}
    return response_object(ref, head, status, [item], **fields)


def example_stream(response: Mapping[str, Any]) -> str:
    """Return the first event, a delta and the last event of the response as a stream."""
    item = response["output"][0]
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    delta = {**place, "delta": "replace", "logprobs": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_text.delta", **delta},
        {"type": "response.completed", "response": response, "x_maas_cost": "0.000028500"},
    ]
    return "".join(
        f"event: {event['type']}\n"
        f"data: {msgspec.json.encode({**event, 'sequence_number': number}).decode()}\n\n"
        for number, event in enumerate(events)
    )
