"""The events of a streamed chat become those of a streamed message."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.messages.stream import MessageStream

USAGE = {"prompt_tokens": 7, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}}
COST = {"x_maas_cost": "0.000009000", "x_maas_currency": "CNY"}
DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    value = {"id": "c", "model": "m", "choices": [choice], "usage": USAGE, **fields}
    return f"data: {json.dumps(value)}\n\n".encode()


def total(**fields: Any) -> bytes:
    value = {"id": "c", "choices": [], "usage": {**USAGE, "completion_tokens": 5}, **fields}
    return f"data: {json.dumps(value)}\n\n".encode()


def tool(index: int, name: str | None, arguments: str | None) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    call = {"index": index, "id": f"call_{index}" if name else None, "function": function}
    return {"tool_calls": [call]}


def events(*parts: bytes) -> list[dict[str, Any]]:
    """The events for these parts; each name equals the type in its data."""
    stream = MessageStream("msg_1", "req_1")
    text = b"".join(map(stream.feed, parts)).decode()
    decoded = []
    for event in text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        decoded.append(value)
    return decoded


def types(found: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in found]


class TestText:
    def test_stream_has_anthropics_order_of_events(self) -> None:
        found = events(chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}),
                       chunk({"content": "lo"}, "stop"), total(**COST), DONE)  # fmt: skip
        assert types(found) == [
            "message_start", "ping", "content_block_start", "content_block_delta",
            "content_block_delta", "content_block_stop", "message_delta", "message_stop",
        ]  # fmt: skip
        assert [one["delta"]["text"] for one in found if "delta" in one and "index" in one] == [
            "Hel",
            "lo",
        ]

    def test_message_start_has_the_tokens_of_the_prompt(self) -> None:
        message = events(chunk({"content": "a"}))[0]["message"]
        assert (message["id"], message["model"], message["content"]) == ("msg_1", "m", [])
        assert message["usage"]["input_tokens"] == 3
        assert message["usage"]["cache_read_input_tokens"] == 4

    def test_last_delta_has_reason_usage_and_cost(self) -> None:
        delta = events(chunk({"content": "a"}, "length"), total(**COST), DONE)[-2]
        assert delta["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}
        assert delta["usage"]["output_tokens"] == 5
        assert delta["x_maas_cost"] == COST["x_maas_cost"]

    def test_stream_without_text_is_still_whole(self) -> None:
        assert types(events(DONE)) == ["message_start", "ping", "message_delta", "message_stop"]

    def test_passages_are_passed_on_at_the_end(self) -> None:
        delta = events(chunk({"content": "a"}), chunk({}, file_search={"queries": []}), DONE)[-2]
        assert delta["file_search"] == {"queries": []}

    @given(cuts=st.lists(st.integers(0, 400), max_size=6))
    def test_events_do_not_depend_on_where_the_bytes_are_cut(self, cuts: list[int]) -> None:
        data = chunk({"content": "a"}) + chunk({"content": "b"}, "stop") + total() + DONE
        places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        pairs = itertools.pairwise(places)
        assert events(*(data[start:end] for start, end in pairs)) == events(data)


class TestBlocks:
    def test_thoughts_are_a_block_before_the_text(self) -> None:
        found = events(chunk({"reasoning_content": "hm"}), chunk({"content": "a"}, "stop"), DONE)
        starts = [one["content_block"] for one in found if one["type"] == "content_block_start"]
        assert starts == [
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "text", "text": ""},
        ]
        assert [one["index"] for one in found if one["type"] == "content_block_stop"] == [0, 1]

    def test_each_tool_call_is_a_block_with_its_input_in_parts(self) -> None:
        found = events(
            chunk({"content": "Let me look."}),
            chunk(tool(0, "weather", "")),
            chunk(tool(0, None, '{"city":')),
            chunk(tool(0, None, '"北京"}')),
            chunk(tool(1, "time", "{}"), "tool_calls"),
            total(),
            DONE,
        )
        starts = [one["content_block"] for one in found if one["type"] == "content_block_start"]
        assert [one["type"] for one in starts] == ["text", "tool_use", "tool_use"]
        assert (starts[1]["id"], starts[1]["name"], starts[1]["input"]) == (
            "call_0",
            "weather",
            {},
        )
        inputs: dict[int, str] = {}
        for one in found:
            if one.get("delta", {}).get("type") == "input_json_delta":
                index = one["index"]
                inputs[index] = inputs.get(index, "") + one["delta"]["partial_json"]
        assert inputs == {1: '{"city":"北京"}', 2: "{}"}
        assert found[-2]["delta"]["stop_reason"] == "tool_use"

    @pytest.mark.parametrize("reason", ["stop", "tool_calls"])
    def test_call_of_a_named_tool_ends_with_tool_use(self, reason: str) -> None:
        found = events(chunk(tool(0, "weather", "{}"), reason), DONE)
        assert found[-2]["delta"]["stop_reason"] == "tool_use"


class TestInterruption:
    def test_error_in_the_stream_is_an_error_event_and_the_last(self) -> None:
        error = {"message": "The model stopped.", "type": "server_error", "param": None,
                 "code": "model_failed"}  # fmt: skip
        *_, last = events(
            chunk({"content": "a"}), f"data: {json.dumps({'error': error})}\n\n".encode()
        )
        assert last["error"]["type"] == "api_error"
        assert last["error"]["message"] == "The model stopped."
        assert last["request_id"] == "req_1"

    def test_comment_becomes_a_ping_once_the_message_has_started(self) -> None:
        assert events(b": keep-alive\n\n") == []
        assert types(events(chunk({"content": "a"}), b": keep-alive\n\n"))[-1] == "ping"
