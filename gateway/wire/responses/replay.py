"""The events of a stored response, as its stream would have sent them: one delta per text."""

from collections.abc import Mapping
from typing import Any

from gateway.wire.responses.items import Item
from gateway.wire.responses.open_items import Event, OpenItem, OpenSearch
from gateway.wire.responses.output import ResponseStatus
from gateway.wire.responses.stream import render_event

_TEXT_FIELDS = {"output_text": "text", "reasoning_text": "text", "refusal": "refusal"}


def replayed_events(response: Mapping[str, Any], starting_after: int | None) -> bytes:
    """Return the events of a response that has ended, those after a sequence number if given."""
    events = _begin(response)
    for index, item in enumerate(response["output"]):
        events += _item_events(item, index)
    events.append(_last(response))
    first = 0 if starting_after is None else starting_after + 1
    numbered = enumerate(events)
    return b"".join(render_event(event, number) for number, event in numbered if number >= first)


def created_event(response: Mapping[str, Any]) -> bytes:
    """Return the first event of a response that has not ended; its number is 0."""
    return render_event(_begin(response)[0], 0)


def last_event(response: Mapping[str, Any], number: int) -> bytes:
    """Return the last event of a response that has ended, with its number."""
    return render_event(_last(response), number)


def restarted_event(number: int) -> bytes:
    """Return the event of a stream whose response is generated again, after parts of it were sent.

    What was sent is no part of the new answer.
    """
    message = (
        "The gateway process that answered was stopped, and the answer is generated again. Stream "
        "the response again, without `starting_after`."
    )
    event = {"type": "error", "code": "response_restarted", "message": message, "param": None}
    return render_event(event, number)


def stopped_event(status: str | None, number: int) -> bytes:
    """Return the event of a stream whose response has no answer: an error that tells why.

    status: the response's, None if it was deleted; an open one is still being answered.
    """
    if status == ResponseStatus.CANCELLED:
        code, message = "response_cancelled", "The response was cancelled."
    elif status is None:
        code, message = "response_not_found", "The response was deleted."
    else:
        code, message = "stream_timeout", "The response takes longer. Continue the stream later."
    event = {"type": "error", "code": code, "message": message, "param": None}
    return render_event(event, number)


def _last(response: Mapping[str, Any]) -> Event:
    """Return the event with a response that has ended."""
    return {"type": f"response.{response['status']}", "response": response}


def _begin(response: Mapping[str, Any]) -> list[Event]:
    """Return the events that begin a response."""
    begun = {**response, "status": ResponseStatus.IN_PROGRESS.value, "output": [], "usage": None}
    kinds = ("response.created", "response.in_progress")
    return [{"type": kind, "response": begun} for kind in kinds]


def _item_events(item: Item, index: int) -> list[Event]:
    """Return the events of an output item."""
    begun = {**item, "status": "in_progress"}
    if item["type"] == "file_search_call":
        search = OpenSearch({**begun, "results": None})
        return [*search.begin(), *search.close(item)]
    if item["type"] == "function_call":
        growing = OpenItem({**begun, "arguments": ""}, index)
        events = [growing.added(), growing.add_arguments(item["arguments"])]
        return [*events, *growing.close(item["status"])]
    growing = OpenItem({**begun, "content": []}, index)
    events = [growing.added()]
    for part in item["content"]:
        text = part[_TEXT_FIELDS[part["type"]]]
        events += growing.add_text(part["type"], text, part.get("logprobs", ()))
        events += growing.add_annotations(part.get("annotations", ()))
    return [*events, *growing.close(item["status"])]
