"""Convert a whole chat answer into a response."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from gateway.call.errors import UpstreamFailed
from gateway.wire.file_search.citations import FILE_SEARCH
from gateway.wire.responses.chat_form import ResponseOptions
from gateway.wire.responses.output import (
    ResponseRef,
    completed_items,
    final_fields,
    output_items,
    response_object,
    usage_of,
)

# Of the gateway's own fields: cost, and decisions of specialists.
OWN_PREFIX = "x_maas_"
_OBJECT = msgspec.json.Decoder(dict[str, Any])
# What a value without the form of a chat's answer raises.
UNREADABLE = (
    msgspec.MsgspecError,
    RecursionError,
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
)


def response_of(
    body: bytes, ref: ResponseRef, options: ResponseOptions, now: datetime
) -> dict[str, Any]:
    """Return the response for a chat's answer. Raises UpstreamFailed if it has another form.

    Only the first choice is used: a response has one answer.
    """
    try:
        return _response(_OBJECT.decode(body), ref, options, now)
    except UNREADABLE:
        raise UpstreamFailed("The model's response could not be parsed.") from None


def _response(
    answer: Mapping[str, Any], ref: ResponseRef, options: ResponseOptions, now: datetime
) -> dict[str, Any]:
    """Return the response for a decoded answer."""
    choices = answer["choices"] or [{}]
    choice: Mapping[str, Any] = choices[0]
    search = answer.get(FILE_SEARCH)
    logprobs = (choice.get("logprobs") or {}).get("content") or []
    message = choice.get("message") or {}
    items = output_items(ref, options, message, logprobs, search)
    status, fields = final_fields(choice.get("finish_reason"), now)
    return response_object(
        ref,
        options.head,
        status,
        completed_items(items, status),
        model=answer.get("model", ""),
        usage=usage_of(answer.get("usage")),
        **answer_fields(answer, search),
        **fields,
    )


def answer_fields(answer: Mapping[str, Any], search: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return fields that a response has in common with a chat.

    They are the service tier, the grounding of an answer from passages, and the gateway's own
    fields, such as the decisions of specialists.
    """
    fields = {"service_tier": answer.get("service_tier") or "default", **own_fields(answer)}
    return fields if search is None else {**fields, "grounding": search["grounding"]}


def own_fields(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the gateway's own fields of an answer or chunk."""
    return {name: value for name, value in answer.items() if name.startswith(OWN_PREFIX)}
