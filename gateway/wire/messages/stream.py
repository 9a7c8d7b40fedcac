"""Convert the events of a streamed chat to those of a streamed message.

    message_start, ping, for each block: content_block_start, content_block_delta …,
    content_block_stop; then message_delta with usage and cost, message_stop

The events come from the gateway itself, with usage in every chunk (conversion.py).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from gateway.wire.messages.answer import STOP_SEQUENCE, is_extension, message_usage, stop_reason
from gateway.wire.messages.errors import convert_error_event
from gateway.wire.usage import UsageObject
from infra.errors import AppError, error_object

_DATA, _DONE = b"data:", b"[DONE]"
_CHUNK = msgspec.json.Decoder(dict[str, Any])
_NO_USAGE = UsageObject(prompt_tokens=0, completion_tokens=0)
_encode = msgspec.json.Encoder().encode


class MessageStream:
    """One stream: `feed` takes complete or partial events of a chat and returns a message's."""

    def __init__(self, message_id: str, request_id: str | None) -> None:
        self._message_id = message_id
        self._request_id = request_id
        self._rest = b""
        self._is_started = False
        self._block = -1
        self._block_type: str | None = None
        self._tool: Any = None
        self._has_tools = False
        self._finish_reason: str | None = None
        self._usage = _NO_USAGE
        self._stop_sequence: str | None = None
        self._extensions: dict[str, Any] = {}

    def feed(self, data: bytes) -> bytes:
        """Return the message's events for bytes of the chat's stream."""
        *events, self._rest = (self._rest + data).split(b"\n\n")
        return b"".join(self._convert(event) for event in events)

    def end(self, tail: bytes, now: datetime) -> bytes:
        """Return the last events, from the end of the chat's stream."""
        return self.feed(tail)

    def fail(self, error: AppError) -> bytes:
        """Return the event of an error that ends the stream."""
        return _event("error", convert_error_event(error_object(error), self._request_id))

    def _convert(self, event: bytes) -> bytes:
        """Return the message's events for one event of the chat."""
        if event.startswith(b":"):
            return _ping() if self._is_started else b""
        data = event.removeprefix(_DATA).strip()
        if data == _DONE:
            return self._start("") + self._end()
        chunk = _CHUNK.decode(data)
        if "error" in chunk:
            return _event("error", convert_error_event(chunk["error"], self._request_id))
        return self._convert_chunk(chunk)

    def _convert_chunk(self, chunk: Mapping[str, Any]) -> bytes:
        """Return the events for a chunk; its usage and cost are sent at the end."""
        if chunk.get("usage") is not None:
            self._usage = _usage_of(chunk["usage"], self._usage)
        for name, value in chunk.items():
            if is_extension(name):
                self._extensions[name] = value
        self._stop_sequence = chunk.get(STOP_SEQUENCE, self._stop_sequence)
        events = [self._start(chunk.get("model") or "")]
        for choice in chunk.get("choices", ()):
            events.append(self._convert_delta(choice.get("delta") or {}))
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
        return b"".join(events)

    def _convert_delta(self, delta: Mapping[str, Any]) -> bytes:
        """Return the events for the delta of a chat's choice."""
        events = []
        if thoughts := delta.get("reasoning_content"):
            events.append(self._open("thinking", {"thinking": "", "signature": ""}))
            events.append(self._delta("thinking_delta", "thinking", thoughts))
        if text := delta.get("content"):
            events.append(self._open("text", {"text": ""}))
            events.append(self._delta("text_delta", "text", text))
        for call in delta.get("tool_calls") or ():
            events.append(self._convert_tool_call(call))
        return b"".join(events)

    def _convert_tool_call(self, call: Mapping[str, Any]) -> bytes:
        """Return the events for the delta of a tool call: a new block at its first delta."""
        function, number = call.get("function") or {}, call.get("index", 0)
        opened = b""
        if function.get("name") and (self._block_type != "tool_use" or number != self._tool):
            self._tool, self._has_tools = number, True
            block = {"id": call.get("id") or "", "name": function["name"], "input": {}}
            opened = self._close() + self._open("tool_use", block)
        arguments = function.get("arguments")
        if not arguments or self._block_type != "tool_use":
            return opened
        return opened + self._delta("input_json_delta", "partial_json", arguments)

    def _start(self, model: str) -> bytes:
        """Return the first events, with the tokens of the prompt; empty if they were sent."""
        if self._is_started:
            return b""
        self._is_started = True
        message: dict[str, Any] = {
            "id": self._message_id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": message_usage(self._usage),
        }
        return _event("message_start", {"type": "message_start", "message": message}) + _ping()

    def _open(self, block_type: str, fields: Mapping[str, Any]) -> bytes:
        """Return the events that begin a block of another type than the current one."""
        if self._block_type == block_type:
            return b""
        closed = self._close()
        self._block += 1
        self._block_type = block_type
        block = {"type": block_type, **fields}
        return closed + self._indexed("content_block_start", {"content_block": block})

    def _close(self) -> bytes:
        """Return the event that ends the current block, empty without one."""
        if self._block_type is None:
            return b""
        self._block_type = None
        return self._indexed("content_block_stop", {})

    def _delta(self, delta_type: str, field: str, text: str) -> bytes:
        """Return the event with a part of the current block."""
        return self._indexed("content_block_delta", {"delta": {"type": delta_type, field: text}})

    def _indexed(self, event_type: str, fields: Mapping[str, Any]) -> bytes:
        """Return an event about the current block."""
        return _event(event_type, {"type": event_type, "index": self._block, **fields})

    def _end(self) -> bytes:
        """Return the last events: why the message ended, its usage and its cost."""
        reason = stop_reason(self._finish_reason, self._has_tools, self._stop_sequence)
        delta = {"stop_reason": reason, "stop_sequence": self._stop_sequence}
        ending = {"type": "message_delta", "delta": delta, "usage": message_usage(self._usage)}
        return b"".join(
            (
                self._close(),
                _event("message_delta", {**ending, **self._extensions}),
                _event("message_stop", {"type": "message_stop"}),
            )
        )


def _usage_of(value: Any, known: UsageObject) -> UsageObject:
    """Return the usage of a chunk, or what was known before if the engine's is not valid."""
    try:
        return msgspec.convert(value, UsageObject)
    except msgspec.ValidationError:
        return known


def _ping() -> bytes:
    """Return the event that keeps a connection open."""
    return _event("ping", {"type": "ping"})


def _event(name: str, value: Mapping[str, Any]) -> bytes:
    """Return a server-sent event with its name."""
    return b"event: " + name.encode() + b"\ndata: " + _encode(value) + b"\n\n"
