"""Stored responses and their input items in the form of the API."""

from collections.abc import Sequence
from typing import Any

from gateway.call.errors import ParameterInvalid
from gateway.responses.content import ContentSealer
from gateway.tables import SavedResponse
from gateway.wire.responses.items import Item
from gateway.wire.responses.output import ResponseStatus, failure_fields

_INTERRUPTED = failure_fields(
    {
        "message": "The gateway process that answered was stopped. The call is not billed.",
        "type": "server_error",
        "param": None,
        "code": "gateway_process_ended",
    },
    500,
)


def response_json(row: SavedResponse, content: ContentSealer) -> dict[str, Any]:
    """Return a stored response with its current status. Raises SealBroken."""
    response = content.open_response(row.id, row.response)
    if row.status == ResponseStatus.FAILED and response["error"] is None:
        response["error"] = _INTERRUPTED
    return {**response, "status": row.status}


def page_of_items(
    items: Sequence[Item], limit: int, after: str | None, descending: bool
) -> dict[str, Any]:
    """Return a page of items as OpenAI's list. Raises ParameterInvalid for an unknown `after`."""
    ordered = list(reversed(items)) if descending else list(items)
    start = 0 if after is None else _position_of(ordered, after) + 1
    data = ordered[start : start + limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(ordered) > start + limit,
    }


def _position_of(items: Sequence[Item], item_id: str) -> int:
    """Return the position of the item with an id. Raises ParameterInvalid."""
    found = next((number for number, item in enumerate(items) if item["id"] == item_id), None)
    if found is None:
        raise ParameterInvalid("`after` must be the id of an item of the list.", param="after")
    return found
