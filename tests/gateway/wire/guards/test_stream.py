"""Guarded streams: what is held back, masked, refused, and in which order it is sent."""

import json
from typing import Any

import pytest

from gateway.wire.guards.stream import GuardedStream
from tests.support.gateway.checking import check


def event(delta: dict[str, Any], reason: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": {"content": []}}
    return b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n"


def choices(events: bytes) -> list[dict[str, Any]]:
    chunks = [json.loads(one[6:]) for one in events.split(b"\n\n") if one]
    return [choice for chunk in chunks for choice in chunk["choices"]]


def deltas(events: bytes) -> list[dict[str, Any]]:
    return [choice["delta"] for choice in choices(events)]


@pytest.fixture
def stream() -> GuardedStream:
    return GuardedStream(check, 1)


def test_text_is_sent_when_its_sentence_is_complete(stream: GuardedStream) -> None:
    assert deltas(stream.feed(event({"role": "assistant", "content": "One."}))) == [
        {"role": "assistant", "content": ""}
    ]
    assert deltas(stream.feed(event({"content": " Two"}))) == [{"content": "One. "}]
    assert deltas(stream.feed(event({"content": " words"}))) == []
    assert deltas(stream.feed(event({}, "stop"))) == [{"content": "Two words"}, {}]
    assert stream.end() == b""


def test_number_in_two_chunks_is_masked(stream: GuardedStream) -> None:
    sent = stream.feed(event({"content": "Call 138123"})) + stream.feed(event({"content": "45678"}))
    assert sent == b""
    assert deltas(stream.feed(event({}, "stop")))[0] == {"content": "Call <PHONE>"}


def test_refused_sentence_ends_its_choice(stream: GuardedStream) -> None:
    sent = stream.feed(event({"content": "Good. Very ba"})) + stream.feed(event({"content": "d."}))
    sent += stream.feed(event({"content": " More."}, "stop"))
    ends = choices(sent)
    assert [one["delta"] for one in ends] == [{"content": "Good. "}, {}]
    assert [one["finish_reason"] for one in ends] == [None, "content_filter"]
    assert (stream.has_refused, stream.is_futile) == (True, True)
    assert stream.feed(event({"content": "x"})) == b""


def test_other_choice_goes_on_after_a_refusal() -> None:
    stream = GuardedStream(check, 2)
    stream.feed(event({"content": "bad"}, "stop", 0))
    assert (stream.has_refused, stream.is_futile) == (True, False)
    assert deltas(stream.feed(event({"content": "good"}, "stop", 1)))[0] == {"content": "good"}


def test_arguments_are_sent_whole_after_the_text_before_them(stream: GuardedStream) -> None:
    begin = {"index": 0, "id": "call_1", "function": {"name": "dial", "arguments": '{"to": '}}
    more = {"index": 0, "function": {"arguments": '"13812345678"}'}}
    sent = stream.feed(event({"content": "I dial"})) + stream.feed(event({"tool_calls": [begin]}))
    sent += stream.feed(event({"tool_calls": [more]})) + stream.feed(event({}, "tool_calls"))
    text, head, arguments, last = deltas(sent)
    assert text == {"content": "I dial"}
    assert head["tool_calls"][0]["function"] == {"name": "dial", "arguments": ""}
    assert json.loads(arguments["tool_calls"][0]["function"]["arguments"]) == {"to": "<PHONE>"}
    assert last == {}


def test_reasoning_is_sent_before_the_answer(stream: GuardedStream) -> None:
    sent = stream.feed(event({"reasoning_content": "Think"})) + stream.feed(event({"content": "A"}))
    sent += stream.feed(event({}, "stop"))
    assert deltas(sent) == [{"reasoning_content": "Think"}, {"content": "A"}, {}]


def test_probabilities_of_held_tokens_are_not_sent(stream: GuardedStream) -> None:
    sent = stream.feed(event({"role": "assistant"})) + stream.feed(event({}, "stop"))
    assert [one.get("logprobs") for one in choices(sent)] == [None, None]


def test_text_completion_keeps_its_form(stream: GuardedStream) -> None:
    choice = {"index": 0, "text": "Call 13812345678", "finish_reason": "length"}
    sent = stream.feed(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
    first, last = choices(sent)
    assert (first["text"], first["finish_reason"]) == ("Call <PHONE>", None)
    assert (last["text"], last["finish_reason"]) == ("", "length")


def test_long_text_without_a_sentence_is_sent_in_parts(stream: GuardedStream) -> None:
    (delta,) = deltas(stream.feed(event({"content": "x" * 2_500})))
    assert delta == {"content": "x" * 2_300}
    assert deltas(stream.feed(event({}, "stop")))[0] == {"content": "x" * 200}


def test_end_of_a_broken_stream_sends_or_refuses_the_rest(stream: GuardedStream) -> None:
    stream.feed(event({"content": "bad"}))
    (last,) = choices(stream.end())
    assert last["finish_reason"] == "content_filter"
    stream = GuardedStream(check, 1)
    stream.feed(event({"content": "half a sent"}))
    assert deltas(stream.end()) == [{"content": "half a sent"}]


def test_comments_and_passages_pass_and_refused_passages_are_dropped(
    stream: GuardedStream,
) -> None:
    assert stream.feed(b": keep-alive\n\n") == b": keep-alive\n\n"
    value = {"choices": [], "file_search": {"results": [{"text": "call 13812345678"}]}}
    sent = stream.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
    assert json.loads(sent[6:])["file_search"] == {"results": [{"text": "call <PHONE>"}]}
    value["file_search"] = {"results": [{"text": "bad"}]}
    sent = stream.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
    assert "file_search" not in json.loads(sent[6:])
