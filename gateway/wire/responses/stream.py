"""Convert the events of a streamed chat into the events of a streamed response.

The chat's events are those that its client would get: checked, with citations, and with the cost
of the call in the last one. Events are numbered in their order.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from gateway.call.errors import ANSWER_INTERRUPTED, UpstreamFailed
from gateway.wire.file_search.citations import FILE_SEARCH
from gateway.wire.responses.answer import UNREADABLE, answer_fields, own_fields
from gateway.wire.responses.chat_form import ResponseOptions
from gateway.wire.responses.items import Item
from gateway.wire.responses.open_items import Event, OpenItem, OpenSearch, delta_texts
from gateway.wire.responses.output import (
    ResponseRef,
    ResponseStatus,
    empty_item,
    failure_fields,
    final_fields,
    response_object,
    search_item,
    usage_of,
)
from infra.errors import AppError, error_object

_CHUNK = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode
_NOTHING_FOUND: Mapping[str, Any] = {"results": []}


class ResponseStream:
    """The events of one streamed response. `response` is its last state once it has ended."""

    def __init__(self, ref: ResponseRef, options: ResponseOptions) -> None:
        self._ref = ref
        self._options = options
        self._sequence = self._sent = 0
        self._model = ""
        self._chunk: Mapping[str, Any] = {}
        self._own: dict[str, Any] = {}
        self._search: OpenSearch | None = None
        self._found: Mapping[str, Any] | None = None
        self._open: OpenItem | None = None
        self._calls: dict[int, OpenItem] = {}
        self._output: list[Item] = []
        self._finish_reason: str | None = None
        self.response: dict[str, Any] | None = None

    def feed(self, events: bytes) -> bytes:
        """Take complete events of the chat and return the response's events; keeps comments.

        Raises UpstreamFailed if an event has not the form of a chat's.
        """
        try:
            made = [self._convert(event) for event in events.split(b"\n\n") if event]
        except UNREADABLE:
            raise UpstreamFailed(ANSWER_INTERRUPTED) from None
        self._sent = self._sequence
        return b"".join(made)

    def end(self, tail: bytes, now: datetime) -> bytes:
        """Return the last events, from the end of the chat's stream: usage, cost, `[DONE]`."""
        total = _total_chunk(tail)
        status, fields = final_fields(self._finish_reason, now)
        events = [*self._begin(), *self._close_all(status)]
        self.response = response_object(
            self._ref,
            self._options.head,
            status,
            self._output,
            model=self._model,
            usage=usage_of(total.get("usage")),
            **answer_fields({**self._chunk, **self._own}, self._found),
            **fields,
        )
        name = f"response.{status.value}"
        last = {"type": name, "response": self.response, **own_fields(total)}
        return self._render([*events, last])

    def fail(self, error: AppError) -> bytes:
        """Return the events of an error that ends the stream.

        Events that `end` returned before were not sent.
        """
        self._sequence = self._sent
        begun = self._begin()
        described = error_object(error)
        event = {name: described[name] for name in ("code", "message", "param")}
        self.response = response_object(
            self._ref,
            self._options.head,
            ResponseStatus.FAILED,
            model=self._model,
            error=failure_fields(described, error.status),
        )
        failed = {"type": "response.failed", "response": self.response}
        return self._render([*begun, {"type": "error", **event}, failed])

    def _convert(self, event: bytes) -> bytes:
        """Return the response's events for one event of the chat."""
        if not event.startswith(b"data: {"):
            return event + b"\n\n" if event.startswith(b":") else b""
        chunk = _CHUNK.decode(event[6:])
        self._chunk = chunk
        self._own |= own_fields(chunk)
        self._model = chunk.get("model") or self._model
        self._found = chunk.get(FILE_SEARCH) or self._found
        events = self._begin()
        for choice in chunk["choices"]:
            if choice["index"] == 0:
                events += self._convert_choice(choice)
        return self._render(events)

    def _begin(self) -> list[Event]:
        """Return the events that begin the response, before its first part only."""
        if self._sequence:
            return []
        ref, head = self._ref, self._options.head
        response = response_object(ref, head, ResponseStatus.IN_PROGRESS, model=self._model)
        kinds = ("response.created", "response.in_progress")
        events: list[Event] = [{"type": kind, "response": response} for kind in kinds]
        if not self._options.searches_files:
            return events
        item = search_item(ref.item_id("file_search_call", 0), self._options, None)
        self._output.append(item)
        self._search = OpenSearch(item)
        return [*events, *self._search.begin()]

    def _convert_choice(self, choice: Mapping[str, Any]) -> list[Event]:
        """Return the events for the delta of a choice."""
        events: list[Event] = []
        delta = choice.get("delta") or {}
        logprobs = (choice.get("logprobs") or {}).get("content") or []
        for item_kind, part_kind, text in delta_texts(delta):
            events += self._opened(item_kind)
            events += self._require_open().add_text(part_kind, text, logprobs)
        for call in delta.get("tool_calls") or []:
            events += self._add_call(call)
        if self._open is not None and delta.get("annotations"):
            events += self._open.add_annotations(delta["annotations"])
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        return events

    def _opened(self, kind: str) -> list[Event]:
        """Return the events that open an item of this type, if another one or none is open."""
        if self._open is not None and self._open.item["type"] == kind:
            return []
        events = self._close_open("completed")
        self._open = self._new_item(kind)
        return [*events, self._open.added()]

    def _add_call(self, call: Mapping[str, Any]) -> list[Event]:
        """Return the events for a part of a function call, by its index among the calls."""
        function, index = call.get("function") or {}, call.get("index", 0)
        events: list[Event] = []
        item = self._calls.get(index)
        if item is None:
            events = self._close_open("completed")
            item = self._calls[index] = self._new_item("function_call")
            item.item["call_id"] = call.get("id") or item.item["id"]
            item.item["name"] = function.get("name") or ""
            events.append(item.added())
        if function.get("arguments"):
            events.append(item.add_arguments(function["arguments"]))
        return events

    def _new_item(self, kind: str) -> OpenItem:
        """Return a new item at the end of the output."""
        index = len(self._output)
        item = empty_item(kind, self._ref.item_id(kind, index))
        self._output.append(item)
        return OpenItem(item, index)

    def _require_open(self) -> OpenItem:
        """Return the open item. Raises ValueError if there is none."""
        if self._open is None:
            raise ValueError("no item is open")
        return self._open

    def _close_open(self, status: str) -> list[Event]:
        """Return the events that end the open message or reasoning, and the search before it."""
        searched = [] if self._search is None else self._search.complete()
        item, self._open = self._open, None
        return searched if item is None else [*searched, *item.close(status)]

    def _close_all(self, status: ResponseStatus) -> list[Event]:
        """Return the events that end all items; an answer without text gets an empty message."""
        events: list[Event] = []
        if not self._calls and (self._open is None or self._open.item["type"] != "message"):
            events += self._opened("message")
            events += self._require_open().add_text("output_text", "", ())
        is_cut = status is ResponseStatus.INCOMPLETE
        last = "incomplete" if is_cut else "completed"
        calls, self._calls = list(self._calls.values()), {}
        events += self._close_open("completed" if calls else last)
        for number, call in enumerate(calls, start=1):
            events += call.close(last if number == len(calls) else "completed")
        if self._search is not None:
            item = search_item(
                self._search.item["id"], self._options, self._found or _NOTHING_FOUND
            )
            self._output[0] = item
            events += self._search.close(item)
        return events

    def _render(self, events: Iterable[Event]) -> bytes:
        """Return events as server-sent events with their sequence numbers."""
        return b"".join(map(self._render_one, events))

    def _render_one(self, event: Event) -> bytes:
        """Return an event as a server-sent event with the next sequence number."""
        number = self._sequence
        self._sequence += 1
        return render_event(event, number)


def render_event(event: Event, number: int) -> bytes:
    """Return an event as a server-sent event with its sequence number."""
    kind, data = str(event["type"]), _encode({**event, "sequence_number": number})
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def _total_chunk(tail: bytes) -> Mapping[str, Any]:
    """Return the chunk with usage and cost at the end of a chat's stream; empty without one."""
    event = tail.split(b"\n\n", 1)[0]
    try:
        return _CHUNK.decode(event[6:]) if event.startswith(b"data: {") else {}
    except UNREADABLE:
        return {}  # the call has ended and was settled: its text is complete
