"""The output items of a streamed response while they grow, and their events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.wire.responses.items import Item
from gateway.wire.responses.output import reasoning_part, refusal_part, text_part

Event = dict[str, Any]
# The event names of a content part by its type, without `.delta` and `.done`.
_EVENTS = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "reasoning_text": "response.reasoning_text",
}
_ARGUMENTS = "response.function_call_arguments"


@dataclass(slots=True)
class OpenPart:
    """A content part of a message or of reasoning that grows."""

    kind: str
    index: int
    texts: list[str] = field(default_factory=list)
    annotations: list[Any] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """Return the part as it is now."""
        text = "".join(self.texts)
        if self.kind == "reasoning_text":
            return reasoning_part(text)
        if self.kind == "refusal":
            return refusal_part(text)
        return text_part(text, self.annotations, self.logprobs)


class OpenItem:
    """An item that grows: `item` is its object, `index` its place in the output."""

    def __init__(self, item: Item, index: int) -> None:
        self.item = item
        self.index = index
        self._part: OpenPart | None = None

    def added(self) -> Event:
        """Return the event that begins the item."""
        kind = "response.output_item.added"
        # A copy: the item grows before the event is rendered.
        return {"type": kind, "output_index": self.index, "item": dict(self.item)}

    def add_text(self, kind: str, text: str, logprobs: Sequence[Any]) -> list[Event]:
        """Append text to the part of this type, which begins if the item has another one open."""
        events: list[Event] = []
        part = self._part
        if part is None or part.kind != kind:
            events += self._close_part()
            part = self._part = OpenPart(kind, len(self.item["content"]))
            events.append(self._part_event("response.content_part.added", part))
        part.texts.append(text)
        part.logprobs += logprobs
        more = {"logprobs": list(logprobs)} if kind == "output_text" else {}
        events.append(self._event(f"{_EVENTS[kind]}.delta", part.index, delta=text, **more))
        return events

    def add_annotations(self, annotations: Sequence[Any]) -> list[Event]:
        """Append annotations to the open part of a message."""
        events: list[Event] = []
        part = self._part
        if part is None:
            return events
        for annotation in annotations:
            name = "response.output_text.annotation.added"
            number = len(part.annotations)
            more = {"annotation_index": number, "annotation": annotation}
            events.append(self._event(name, part.index, **more))
            part.annotations.append(annotation)
        return events

    def add_arguments(self, text: str) -> Event:
        """Append a part of a function call's arguments."""
        self.item["arguments"] += text
        return self._item_event(f"{_ARGUMENTS}.delta", delta=text)

    def close(self, status: str) -> list[Event]:
        """End the item, and return the events that end its part and the item."""
        events = self._close_part()
        if self.item["type"] == "function_call":
            arguments = self.item["arguments"]
            events.append(self._item_event(f"{_ARGUMENTS}.done", arguments=arguments))
        self.item["status"] = status
        done_event = "response.output_item.done"
        return [*events, {"type": done_event, "output_index": self.index, "item": self.item}]

    def _close_part(self) -> list[Event]:
        """End the open part, if there is one, and return its events."""
        part, self._part = self._part, None
        if part is None:
            return []
        content = part.content()
        self.item["content"] = [*self.item["content"], content]
        field_name = "refusal" if part.kind == "refusal" else "text"
        done = {field_name: content[field_name]}
        if part.kind == "output_text":
            done["logprobs"] = content["logprobs"]
        return [
            self._event(f"{_EVENTS[part.kind]}.done", part.index, **done),
            self._part_event("response.content_part.done", part),
        ]

    def _part_event(self, name: str, part: OpenPart) -> Event:
        """Return an event with the whole part."""
        return self._event(name, part.index, part=part.content())

    def _event(self, name: str, content_index: int, **fields: Any) -> Event:
        """Return an event about a content part."""
        return self._item_event(name, content_index=content_index, **fields)

    def _item_event(self, name: str, **fields: Any) -> Event:
        """Return an event about the item."""
        place = {"item_id": self.item["id"], "output_index": self.index}
        return {"type": name, **place, **fields}


@dataclass(slots=True)
class OpenSearch:
    """The `file_search_call` of a stream, the first item; its results arrive at the end."""

    item: Item
    is_completed: bool = False

    def begin(self) -> list[Event]:
        """Return the events that begin the item."""
        added = {"type": "response.output_item.added", "output_index": 0, "item": self.item}
        return [added, self._event("in_progress"), self._event("searching")]

    def complete(self) -> list[Event]:
        """Return the event for the end of the search, once: before the first part of the answer."""
        if self.is_completed:
            return []
        self.is_completed = True
        return [self._event("completed")]

    def close(self, item: Item) -> list[Event]:
        """Return the events that end the item, which has its results now."""
        self.item = item
        done = {"type": "response.output_item.done", "output_index": 0, "item": item}
        return [*self.complete(), done]

    def _event(self, name: str) -> Event:
        """Return an event about the search."""
        kind = f"response.file_search_call.{name}"
        return {"type": kind, "item_id": self.item["id"], "output_index": 0}


def delta_texts(delta: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return item type, part type and text of each text in a chat's delta, in their order."""
    found = (
        ("reasoning", "reasoning_text", delta.get("reasoning")),
        ("message", "output_text", delta.get("content")),
        ("message", "refusal", delta.get("refusal")),
    )
    return [(item, part, text) for item, part, text in found if text and isinstance(text, str)]
