"""Requests of the Messages API become chat requests; what cannot become one is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.call.errors import (
    BadRequest,
    ParameterInvalid,
    ParameterUnknown,
    ParameterUnsupported,
)
from gateway.wire.messages.conversion import (
    chat_fields,
    fields_for_model,
    parse_messages_request,
    requested_effort,
)
from tests.support.builders import CATALOG, CHAT

MODEL = CATALOG.models[CHAT]
THINKER = replace(MODEL, reasoning={"low": 512, "medium": 2048, "high": 8192})
WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
IMAGE = {"type": "base64", "media_type": "image/png", "data": "aGk="}


def request(*messages: Any, **fields: Any) -> bytes:
    given = messages or ({"role": "user", "content": "hi"},)
    return json.dumps({"model": CHAT, "max_tokens": 9, "messages": given, **fields}).encode()


def chat(*messages: Any, **fields: Any) -> dict[str, Any]:
    return chat_fields(parse_messages_request(request(*messages, **fields)))


def said(role: str, *blocks: Any) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value, "cache_control": {"type": "ephemeral"}}


class TestMessages:
    def test_minimal_request_has_nothing_else(self) -> None:
        assert chat() == {
            "model": CHAT,
            "messages": [{"role": "user", "content": "hi"}],
            "max_tokens": 9,
        }

    @pytest.mark.parametrize("system", ["Be brief.", [text("Be brief.")]])
    def test_system_prompt_is_the_first_message(self, system: Any) -> None:
        first, _ = chat(system=system)["messages"]
        assert first == {"role": "system", "content": "Be brief."}

    def test_system_blocks_are_joined_by_empty_lines(self) -> None:
        assert chat(system=[text("a"), text("b")])["messages"][0]["content"] == "a\n\nb"

    def test_system_message_between_others_keeps_its_place(self) -> None:
        told = chat({"role": "user", "content": "a"}, {"role": "system", "content": "b"},
                    {"role": "user", "content": "c"})  # fmt: skip
        assert [one["role"] for one in told["messages"]] == ["user", "system", "user"]

    def test_tool_call_and_result_become_call_and_tool_message(self) -> None:
        use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "北京"}}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": [text("3 °C")]}
        _, called, tool, user = chat(
            {"role": "user", "content": "weather?"},
            said("assistant", {"type": "thinking", "thinking": "hm", "signature": "s"},
                 text("Let me look."), use),
            said("user", text("and tomorrow?"), result),
        )["messages"]  # fmt: skip
        assert called["content"] == "Let me look."
        assert called["tool_calls"] == [
            {
                "id": "t1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"北京"}'},
            }
        ]
        assert tool == {"role": "tool", "tool_call_id": "t1", "content": "3 °C"}
        assert user == {"role": "user", "content": "and tomorrow?"}

    def test_failed_tool_is_marked_in_its_text(self) -> None:
        failed = {"type": "tool_result", "tool_use_id": "t", "content": "no net", "is_error": True}
        assert chat(said("user", failed))["messages"][0]["content"] == "Error: no net"

    def test_result_without_content_is_an_empty_text(self) -> None:
        result = {"type": "tool_result", "tool_use_id": "t", "is_error": None}
        assert chat(said("user", result))["messages"][0]["content"] == ""

    def test_several_texts_and_an_image_become_parts(self) -> None:
        blocks = (text("see"), {"type": "image", "source": IMAGE})
        assert chat(said("user", *blocks))["messages"][0]["content"] == [
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ]


class TestFields:
    def test_sampling_fields_have_their_names_in_a_chat(self) -> None:
        told = chat(temperature=0.5, top_p=0.9, top_k=40, stop_sequences=["END"])
        assert (told["temperature"], told["top_p"], told["top_k"]) == (0.5, 0.9, 40)
        assert told["stop"] == ["END"]

    def test_hints_for_a_provider_are_accepted_without_effect(self) -> None:
        plain = chat()
        assert chat(metadata={"user_id": "u"}, cache_control={"type": "ephemeral"},
                    context_management={"edits": []}) == plain  # fmt: skip

    def test_stream_asks_for_usage_in_every_chunk(self) -> None:
        told = chat(stream=True)
        assert told["stream"] is True
        assert told["stream_options"]["continuous_usage_stats"] is True

    def test_schema_of_the_output_becomes_the_response_format(self) -> None:
        schema = {"type": "object"}
        told = chat(output_config={"format": {"type": "json_schema", "schema": schema}})
        assert told["response_format"]["json_schema"]["schema"] == schema

    @pytest.mark.parametrize(
        ("choice", "converted"),
        [
            ({"type": "auto"}, "auto"),
            ({"type": "any"}, "required"),
            ({"type": "none"}, "none"),
            (
                {"type": "tool", "name": "weather"},
                {"type": "function", "function": {"name": "weather"}},
            ),
        ],
    )
    def test_tool_choice_has_its_value_in_a_chat(self, choice: Any, converted: Any) -> None:
        told = chat(tools=[{**WEATHER, "cache_control": {}}], tool_choice=choice)
        assert told["tool_choice"] == converted
        function = {"name": "weather", "parameters": WEATHER["input_schema"]}
        assert told["tools"] == [{"type": "function", "function": function}]

    def test_parallel_tool_use_can_be_disabled(self) -> None:
        choice = {"type": "auto", "disable_parallel_tool_use": True}
        assert chat(tools=[WEATHER], tool_choice=choice)["parallel_tool_calls"] is False

    @pytest.mark.parametrize(
        "kind", [{"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "weather"}]
    )
    def test_null_for_parallel_tool_use_is_like_an_absent_one(self, kind: Any) -> None:
        told = chat(tools=[WEATHER], tool_choice={**kind, "disable_parallel_tool_use": None})
        assert told == chat(tools=[WEATHER], tool_choice=kind)

    def test_search_tool_of_this_gateway_is_passed_on(self) -> None:
        tool = {"type": "file_search", "vector_store_ids": ["vs_1"]}
        assert chat(tools=[tool])["tools"] == [tool]


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "kind", "param"),
        [
            (request(max_tokens=None), ParameterInvalid, "max_tokens"),
            (request(max_tokens=0), ParameterInvalid, "max_tokens"),
            (request(temperature=1.5), ParameterInvalid, "temperature"),
            (request(n=2), ParameterUnknown, "n"),
            (request(container="c"), ParameterUnsupported, "container"),
            (request({"role": "tool", "content": "x"}), ParameterInvalid, "messages[0].role"),
        ],
    )
    def test_field_is_refused_by_name(
        self, body: bytes, kind: type[BadRequest], param: str
    ) -> None:
        with pytest.raises(kind) as refused:
            parse_messages_request(body)
        assert refused.value.param == param

    def test_max_tokens_is_required(self) -> None:
        body = json.dumps({"model": CHAT, "messages": [{"role": "user", "content": "a"}]})
        with pytest.raises(ParameterInvalid, match="max_tokens"):
            parse_messages_request(body.encode())

    def test_unknown_block_is_refused(self) -> None:
        with pytest.raises(ParameterInvalid, match="document"):
            parse_messages_request(request(said("user", {"type": "document", "source": {}})))

    @pytest.mark.parametrize(
        ("messages", "param"),
        [
            ([said("user", {"type": "tool_use", "id": "t", "name": "n", "input": {}})],
             "messages[0].content[0].type"),
            ([said("user", {"type": "image", "source": {"type": "url", "url": "http://x"}})],
             "messages[0].content[0].source"),
            ([said("user", {"type": "tool_result", "tool_use_id": "t",
                            "content": [{"type": "image", "source": IMAGE}]})],
             "messages[0].content[0].content[0].type"),
            ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
             "messages[1].role"),
        ],
    )  # fmt: skip
    def test_block_or_message_is_refused_by_its_path(self, messages: Any, param: str) -> None:
        with pytest.raises(BadRequest) as refused:
            chat(*messages)
        assert refused.value.param == param

    @pytest.mark.parametrize(
        ("tools", "param"),
        [
            ([{"type": "web_search_20250305", "name": "web_search"}], "tools[0].type"),
            ([WEATHER, {"name": "x"}], "tools[1].input_schema"),
        ],
    )
    def test_tool_is_refused_by_its_path(self, tools: Any, param: str) -> None:
        with pytest.raises(BadRequest) as refused:
            chat(tools=tools)
        assert refused.value.param == param

    def test_choice_of_a_tool_needs_tools(self) -> None:
        with pytest.raises(ParameterInvalid) as refused:
            chat(tool_choice={"type": "any"})
        assert refused.value.param == "tool_choice"


@pytest.mark.parametrize(("max_tokens", "is_sent"), [(99, True), (100, False), (32_000, False)])
def test_limit_of_the_whole_context_is_no_limit(max_tokens: int, is_sent: bool) -> None:
    asked = parse_messages_request(request(max_tokens=max_tokens))
    small = replace(MODEL, context_length=100)
    assert ("max_tokens" in fields_for_model(chat_fields(asked), asked, small)) is is_sent


class TestThinking:
    @pytest.mark.parametrize(
        ("fields", "effort"),
        [
            ({}, None),
            ({"thinking": {"type": "disabled"}}, None),
            ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "low"),
            ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "medium"),
            ({"thinking": {"type": "enabled", "budget_tokens": 50_000}}, "high"),
            ({"thinking": {"type": "adaptive"}}, "medium"),
            ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "high"),
            ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, "low"),
            ({"output_config": {"effort": "high"}}, None),
        ],
    )
    def test_budget_becomes_the_highest_effort_within_it(
        self, fields: dict[str, Any], effort: str | None
    ) -> None:
        assert requested_effort(parse_messages_request(request(**fields)), THINKER) == effort

    def test_model_that_cannot_reason_is_not_asked_to(self) -> None:
        thinking = {"type": "enabled", "budget_tokens": 2048}
        assert requested_effort(parse_messages_request(request(thinking=thinking)), MODEL) is None
