"""The stop sequence that the engine reports reaches the message, and nothing else of its fields."""

import json
from typing import Any

import pytest

from gateway.wire.messages.answer import convert_completion
from gateway.wire.messages.stream import MessageStream
from gateway.wire.sse import StreamUsageOption
from gateway.wire.stop_sequences import (
    StopSequenceTransformer,
    find_stop_sequence,
    keep_stop_sequence,
)

USAGE = {"prompt_tokens": 1, "completion_tokens": 1}


def response(stop_reason: Any, content: str = "a") -> bytes:
    choice = {"index": 0, "message": {"content": content}, "finish_reason": "stop",
              "stop_reason": stop_reason}  # fmt: skip
    return json.dumps({"model": "m", "choices": [choice], "usage": USAGE}).encode()


@pytest.mark.parametrize(
    ("body", "sequence"),
    [
        (response("END"), "END"),
        (response(7), None),
        (response(None), None),
        (response(None, '"stop_reason": "END"'), None),
        (b'{"choices":[],"stop_reason": "END"}', None),
        (b'"stop_reason": "END"', None),
    ],
)
def test_sequence_is_a_text_of_the_first_choice(body: bytes, sequence: str | None) -> None:
    assert find_stop_sequence(body) == sequence


@pytest.mark.parametrize(
    ("stop_reason", "reason", "sequence"), [("END", "stop_sequence", "END"), (7, "end_turn", None)]
)
def test_message_names_its_stop_sequence(
    stop_reason: Any, reason: str, sequence: str | None
) -> None:
    converted = keep_stop_sequence(bytes)(response(stop_reason))
    message = json.loads(convert_completion(converted, "msg_1"))
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)


def test_streamed_message_names_its_stop_sequence() -> None:
    reader = StopSequenceTransformer(StreamUsageOption.EVERY, 1, 1, 10_000)
    delta = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"}
    chunk = json.dumps({"model": "m", "choices": [delta], "usage": USAGE, "secret": 1})
    events = reader.feed(f"data: {chunk}\n\ndata: [DONE]\n\n".encode())
    assert b"secret" not in events
    ending = MessageStream("msg_1", None).feed(events + reader.end_event).decode()
    assert '"stop_reason":"stop_sequence","stop_sequence":"END"' in ending
