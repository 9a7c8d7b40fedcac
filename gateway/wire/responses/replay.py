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
    begun = {**response, "status": ResponseStatus.IN_PROGRESS.value, "output": [], "usage": None}
    kinds = ("response.created", "response.in_progress")
    events: list[Event] = [{"type": kind, "response": begun} for kind in kinds]
    for index, item in enumerate(response["output"]):
        events += _item_events(item, index)
    events.append({"type": f"response.{response['status']}", "response": response})
    first = 0 if starting_after is None else starting_after + 1
    numbered = enumerate(events)
    return b"".join(render_event(event, number) for number, event in numbered if number >= first)


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
