"""Events of a streamed response: their order and numbers, and the response that they add up to."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.call.errors import UpstreamFailed
from gateway.wire.responses.answer import response_of
from gateway.wire.responses.chat_form import ResponseOptions, chat_form
from gateway.wire.responses.items import decode_items
from gateway.wire.responses.output import ResponseRef
from gateway.wire.responses.replay import replayed_events
from gateway.wire.responses.request import parse_response_request
from gateway.wire.responses.stream import ResponseStream
from infra import ids

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
USAGE = {
    "prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}  # fmt: skip
SEARCH = {"type": "file_search", "vector_store_ids": ["vs_1"]}
FOUND = {
    "queries": ["hello"],
    "results": [{
        "passage": 1, "file_id": "file-1", "filename": "a.md", "source": "vector_store",
        "score": 0.9, "attributes": {}, "text": "t", "cited": True,
    }],
    "grounding": "verified",
}  # fmt: skip
CITATION = {"type": "file_citation", "index": 2, "file_id": "file-1", "filename": "a.md"}
_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def options(**fields: Any) -> ResponseOptions:
    body = json.dumps({"model": "m", "input": "hello", "stream": True, **fields}).encode()
    request = parse_response_request(body)
    return chat_form(request, decode_items(request.input)).options


def chunk(reason: str | None = None, more: dict[str, Any] | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    value = {"id": "c", "model": "m", "choices": [choice], **(more or {})}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def total(**cost: str) -> bytes:
    value = {"id": "c", "model": "m", "choices": [], "usage": USAGE, **cost}
    return b"data: " + json.dumps(value).encode() + b"\n\ndata: [DONE]\n\n"


def call_part(index: int, arguments: str, **named: str) -> dict[str, Any]:
    head = {"id": f"call-{index}", "type": "function"} if named else {}
    return {"index": index, **head, "function": {**named, "arguments": arguments}}


def streamed(
    *chunks: bytes, given_options: ResponseOptions | None = None, **cost: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The events of a stream, and its last response."""
    stream = ResponseStream(ResponseRef(ids.new_id(), NOW), given_options or options())
    sent = b"".join(map(stream.feed, chunks)) + stream.end(total(**cost), NOW)
    events = read(sent)
    assert stream.response == events[-1]["response"]
    return events, events[-1]["response"]


def read(sent: bytes) -> list[dict[str, Any]]:
    """The events, each valid by the client's types, with consecutive numbers."""
    events = []
    for text in filter(None, sent.split(b"\n\n")):
        if text.startswith(b":"):
            continue
        name, data = text.split(b"\n", 1)
        event = json.loads(data.removeprefix(b"data: "))
        assert name == f"event: {event['type']}".encode()
        _EVENT.validate_python(event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


class TestText:
    def test_events_of_a_text_have_the_documented_order(self) -> None:
        events, response = streamed(chunk(content="3 "), chunk("stop", content="bar"))
        assert kinds(events) == [
            "created", "in_progress", "output_item.added", "content_part.added",
            "output_text.delta", "output_text.delta", "output_text.done", "content_part.done",
            "output_item.done", "completed",
        ]  # fmt: skip
        assert [event["delta"] for event in events[4:6]] == ["3 ", "bar"]
        assert events[2]["item"]["content"] == []
        assert (events[2]["item"]["status"], events[8]["item"]["status"]) == (
            "in_progress", "completed")  # fmt: skip
        assert response["output"] == [events[8]["item"]]
        assert response["output"][0]["content"][0]["text"] == "3 bar"
        Response.model_validate(response)

    def test_last_event_has_usage_and_cost(self) -> None:
        events, response = streamed(chunk("stop", content="x"), x_maas_cost="0.1")
        assert events[-1]["x_maas_cost"] == "0.1"
        assert response["usage"] == {
            "input_tokens": 5, "output_tokens": 7, "total_tokens": 12,
            "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 3},
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("reason", "expected"),
        [("length", "max_output_tokens"), ("content_filter", "content_filter")],
    )
    def test_cut_answer_is_incomplete(self, reason: str, expected: str) -> None:
        events, response = streamed(chunk(reason, content="x"))
        assert events[-1]["type"] == "response.incomplete"
        assert (response["status"], response["incomplete_details"]) == (
            "incomplete", {"reason": expected})  # fmt: skip
        assert response["output"][0]["status"] == "incomplete"
        assert response["completed_at"] is None

    def test_answer_without_text_is_an_empty_message(self) -> None:
        _, response = streamed(chunk(role="assistant", content=""), chunk("stop"))
        assert response["output"][0]["content"][0]["text"] == ""

    def test_refusal_is_a_part_of_its_own(self) -> None:
        events, response = streamed(chunk(content="I"), chunk("stop", refusal="cannot"))
        assert "refusal.done" in kinds(events)
        assert [one["type"] for one in response["output"][0]["content"]] == [
            "output_text", "refusal"]  # fmt: skip

    def test_comments_are_kept_and_other_choices_left_out(self) -> None:
        stream = ResponseStream(ResponseRef(ids.new_id(), NOW), options())
        assert stream.feed(b": keep-alive\n\n") == b": keep-alive\n\n"
        other = chunk(content="x").replace(b'"index": 0', b'"index": 1')
        assert b"output_text" not in stream.feed(other)

    def test_event_that_is_not_a_chunk_ends_the_stream(self) -> None:
        stream = ResponseStream(ResponseRef(ids.new_id(), NOW), options())
        with pytest.raises(UpstreamFailed):
            stream.feed(b'data: {"choices": 5}\n\n')


class TestReasoning:
    def test_reasoning_is_an_item_before_the_message(self) -> None:
        events, response = streamed(chunk(reasoning="so "), chunk("stop", content="x"))
        assert kinds(events)[2:8] == [
            "output_item.added", "content_part.added", "reasoning_text.delta",
            "reasoning_text.done", "content_part.done", "output_item.done",
        ]  # fmt: skip
        assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
        assert response["output"][0]["content"] == [{"type": "reasoning_text", "text": "so "}]


class TestFunctionCalls:
    def test_parallel_calls_are_items_with_their_arguments(self) -> None:
        events, response = streamed(
            chunk(content="I look."),
            chunk(tool_calls=[call_part(0, "", name="a")]),
            chunk(tool_calls=[call_part(0, '{"x"')]),
            chunk(tool_calls=[call_part(0, ": 1}"), call_part(1, "{}", name="b")]),
            chunk("tool_calls"),
        )
        message, first, second = response["output"]
        assert message["type"] == "message"
        assert (first["name"], first["arguments"], first["call_id"]) == ("a", '{"x": 1}', "call-0")
        assert (second["name"], second["arguments"]) == ("b", "{}")
        assert response["status"] == "completed"
        added = [one for one in events if one["type"] == "response.output_item.added"]
        assert [one["output_index"] for one in added] == [0, 1, 2]
        assert added[1]["item"]["arguments"] == ""
        done = [one for one in events if one["type"] == "response.function_call_arguments.done"]
        assert [one["arguments"] for one in done] == ['{"x": 1}', "{}"]

    def test_calls_without_text_have_no_message(self) -> None:
        _, response = streamed(chunk("tool_calls", tool_calls=[call_part(0, "{}", name="a")]))
        assert [item["type"] for item in response["output"]] == ["function_call"]


class TestFileSearch:
    @pytest.mark.parametrize("include", [[], ["file_search_call.results"]])
    def test_search_is_the_first_item_and_citations_are_annotations(
        self, include: list[str]
    ) -> None:
        asked = options(tools=[SEARCH], include=include)
        annotated = chunk(more={"file_search": FOUND}, annotations=[CITATION])
        events, response = streamed(chunk("stop", content="t [1]"), annotated, given_options=asked)
        assert kinds(events)[2:7] == [
            "output_item.added", "file_search_call.in_progress", "file_search_call.searching",
            "file_search_call.completed", "output_item.added",
        ]  # fmt: skip
        search, message = response["output"]
        assert (search["queries"], search["status"]) == (["hello"], "completed")
        assert (search["results"] is not None) == bool(include)
        if include:
            fields = {"file_id", "filename", "score", "attributes", "text"}
            assert search["results"][0].keys() == fields
        assert message["content"][0]["annotations"] == [CITATION]
        added = next(one for one in events if one["type"].endswith("annotation.added"))
        assert (added["annotation_index"], added["output_index"]) == (0, 1)
        assert response["grounding"] == "verified"


class TestReplay:
    def test_stored_response_has_the_events_of_its_stream(self) -> None:
        asked = options(tools=[SEARCH], include=["file_search_call.results"])
        chunks = (
            chunk(reasoning="so"),
            chunk(content="t [1]"),
            chunk("stop", more={"file_search": FOUND}, annotations=[CITATION]),
        )
        events, response = streamed(*chunks, given_options=asked)
        replayed = read(replayed_events(response, None))
        assert sorted(kinds(replayed)) == sorted(kinds(events))
        assert replayed[-1]["response"] == response
        items = [one["item"] for one in replayed if one["type"] == "response.output_item.done"]
        assert items == response["output"]

    def test_events_after_a_number_are_replayed_alone(self) -> None:
        _, response = streamed(chunk("stop", content="x"))
        events = replayed_events(response, None).split(b"\n\n")
        assert replayed_events(response, 3).split(b"\n\n") == events[4:]


class TestFailure:
    def test_failure_before_the_first_part_begins_the_response_first(self) -> None:
        stream = ResponseStream(ResponseRef(ids.new_id(), NOW), options())
        events = read(stream.fail(UpstreamFailed("The model stopped.")))
        assert kinds(events) == ["created", "in_progress", "error", "failed"]

    def test_error_is_an_event_and_the_response_fails(self) -> None:
        stream = ResponseStream(ResponseRef(ids.new_id(), NOW), options())
        sent = stream.feed(chunk(content="x"))
        # The end was converted, but it could not be sent.
        stream.end(total(), NOW)
        events = read(sent + stream.fail(UpstreamFailed("The model stopped.")))
        assert kinds(events)[-2:] == ["error", "failed"]
        assert events[-2]["code"] == "model_failed"
        assert events[-1]["response"]["error"] == {
            "code": "server_error", "message": "The model stopped.", "type": "server_error",
            "param": None, "maas_code": "model_failed"}  # fmt: skip
        assert stream.response == events[-1]["response"]


_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_CALLS = st.lists(st.tuples(st.sampled_from("ab"), _TEXT), max_size=3)


@given(
    reasoning=st.lists(_TEXT.filter(bool), max_size=3),
    content=st.lists(_TEXT, max_size=4),
    calls=_CALLS,
    reason=st.sampled_from(["stop", "length", "tool_calls"]),
)
def test_streamed_response_equals_the_response_of_the_whole_answer(
    reasoning: list[str], content: list[str], calls: list[tuple[str, str]], reason: str
) -> None:
    ref = ResponseRef(ids.new_id(), NOW)
    stream = ResponseStream(ref, options())
    chunks = [chunk(reasoning=part) for part in reasoning]
    chunks += [chunk(content=part) for part in content]
    for index, (name, arguments) in enumerate(calls):
        chunks.append(chunk(tool_calls=[call_part(index, arguments[:3], name=name)]))
        chunks.append(chunk(tool_calls=[call_part(index, arguments[3:])]))
    sent = b"".join(map(stream.feed, [*chunks, chunk(reason)])) + stream.end(total(), NOW)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(content)}
    if reasoning:
        message["reasoning"] = "".join(reasoning)
    if calls:
        message["tool_calls"] = [
            {"id": f"call-{n}", "function": {"name": name, "arguments": arguments}}
            for n, (name, arguments) in enumerate(calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": reason}
    body = json.dumps({"model": "m", "choices": [choice], "usage": USAGE}).encode()
    whole = response_of(body, ref, options(), NOW)
    assert read(sent)[-1]["response"] == json.loads(json.dumps(whole))
    assert read(replayed_events(whole, None))[-1]["response"] == json.loads(json.dumps(whole))
    Response.model_validate(whole)
