"""Requests of the Responses API in the form of a chat."""

import json
from typing import Any

import pytest

from gateway.call.errors import ParameterInvalid, ParameterUnknown, ParameterUnsupported
from gateway.wire.responses.chat_form import chat_form
from gateway.wire.responses.items import decode_items, listed_items
from gateway.wire.responses.request import parse_response_request
from infra.errors import AppError

FUNCTION = {"type": "function", "name": "read_pump", "parameters": {"type": "object"}}
SEARCH = {"type": "file_search", "vector_store_ids": ["vs_1"]}
CALL = {"type": "function_call", "call_id": "c1", "name": "read_pump", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "3 bar"}


def chat_of(**fields: Any) -> dict[str, Any]:
    """The chat of a request with these fields, without its model."""
    body = json.dumps({"model": "m", "input": "hello", **fields}).encode()
    request = parse_response_request(body)
    chat: dict[str, Any] = json.loads(chat_form(request, decode_items(request.input)).body)
    assert chat.pop("model") == "m"
    return chat


def messages_of(value: Any, **fields: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = chat_of(input=value, **fields)["messages"]
    return messages


class TestInput:
    def test_text_is_a_message_of_the_user(self) -> None:
        assert messages_of("hi") == [{"role": "user", "content": "hi"}]

    def test_instructions_are_the_first_message(self) -> None:
        first, second = messages_of("hi", instructions="Be brief.")
        assert first == {"role": "system", "content": "Be brief."}
        assert second["role"] == "user"

    @pytest.mark.parametrize("role", ["user", "assistant", "system", "developer"])
    @pytest.mark.parametrize("typed", [{}, {"type": "message"}])
    def test_message_without_or_with_type_is_kept(self, role: str, typed: dict[str, str]) -> None:
        item = {**typed, "role": role, "content": "hi"}
        assert messages_of([item])[-1] == {"role": role, "content": "hi"}

    def test_text_parts_are_joined_by_line_breaks(self) -> None:
        parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
        assert messages_of([{"role": "user", "content": parts}])[0]["content"] == "a\nb"

    def test_answer_that_a_client_sends_back_is_a_message_of_the_assistant(self) -> None:
        part = {"type": "output_text", "text": "3 bar", "annotations": [], "logprobs": []}
        answer = {
            "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "phase": None, "content": [part, {"type": "refusal", "refusal": "no"}],
        }  # fmt: skip
        assert messages_of([answer]) == [{"role": "assistant", "content": "3 bar\nno"}]

    def test_inline_image_is_a_part_of_the_message(self) -> None:
        image = {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}
        content = [{"type": "input_text", "text": "What?"}, image]
        assert messages_of([{"role": "user", "content": content}])[0]["content"] == [
            {"type": "text", "text": "What?"},
            {"type": "image_url", "image_url": {"url": image["image_url"], "detail": "low"}},
        ]

    def test_calls_made_in_parallel_are_one_message_with_their_text(self) -> None:
        said = {"role": "assistant", "content": "I read both."}
        other = {**CALL, "call_id": "c2"}
        items = ["hi", said, CALL, other, OUTPUT, {**OUTPUT, "call_id": "c2"}]
        found = messages_of([{"role": "user", "content": items[0]}, *items[1:]])
        assert [one["role"] for one in found] == ["user", "assistant", "tool", "tool"]
        assert found[1]["content"] == "I read both."
        assert [one["id"] for one in found[1]["tool_calls"]] == ["c1", "c2"]
        assert found[1]["tool_calls"][0]["function"] == {"name": "read_pump", "arguments": "{}"}
        assert found[2] == {"role": "tool", "tool_call_id": "c1", "content": "3 bar"}

    def test_call_without_text_is_a_message_without_content(self) -> None:
        found = messages_of([{"role": "user", "content": "hi"}, CALL, OUTPUT])
        assert found[1]["content"] is None

    def test_output_of_a_function_may_have_text_parts(self) -> None:
        output = {**OUTPUT, "output": [{"type": "input_text", "text": "3 bar"}]}
        assert messages_of([CALL, output])[-1]["content"] == "3 bar"

    def test_earlier_reasoning_and_searches_are_left_out(self) -> None:
        reasoning = {"type": "reasoning", "id": "rs_1", "summary": []}
        search = {"type": "file_search_call", "id": "fs_1", "queries": ["x"], "status": "completed"}
        assert len(messages_of([reasoning, search, {"role": "user", "content": "hi"}])) == 1

    @pytest.mark.parametrize(
        ("items", "param"),
        [
            ([{"type": "web_search_call"}], "input[0].type"),
            ([{"type": ["message"]}], "input[0].type"),
            ([{"role": "user"}], "input[0].content"),
            ([{"role": "robot", "content": "x"}], "input[0].role"),
            ([{"role": "user", "content": [{"type": "x"}]}], "input[0].content[0].type"),
            ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
            ([{**CALL, "arguments": {}}], "input[0].arguments"),
            ([{"role": "user", "content": "x"}, {"type": "function_call_output"}], "input[1]"),
            ([{"type": "reasoning", "summary": []}], "input"),
            ([], "input"),
            (["x"], "input"),
            (5, "input"),
        ],
    )
    def test_invalid_item_is_rejected_with_its_field(self, items: Any, param: str) -> None:
        with pytest.raises(ParameterInvalid) as caught:
            chat_of(input=items)
        assert str(caught.value.param).startswith(param)

    @pytest.mark.parametrize(
        ("part", "error"),
        [
            ({"type": "input_image", "image_url": "https://x/y.png"}, ParameterInvalid),
            ({"type": "input_image", "file_id": "file-1"}, ParameterUnsupported),
            ({"type": "input_file", "file_id": "file-1"}, ParameterUnsupported),
        ],
    )
    def test_content_that_would_be_fetched_is_rejected(
        self, part: dict[str, str], error: type[AppError]
    ) -> None:
        text = {"type": "input_text", "text": "x"}
        with pytest.raises(error) as caught:
            chat_of(input=[{"role": "user", "content": [text, part]}])
        assert str(caught.value.param).startswith("input[0].content[1]")

    def test_image_in_the_output_of_a_function_is_rejected(self) -> None:
        image = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
        with pytest.raises(ParameterUnsupported):
            chat_of(input=[CALL, {**OUTPUT, "output": [image]}])


class TestListedItems:
    def test_items_are_listed_with_ids_status_and_parts(self) -> None:
        items = decode_items("hi")
        (listed,) = listed_items(items, "ab" * 16)
        assert listed == {
            "id": f"msg_{'ab' * 16}i0000", "type": "message", "role": "user",
            "status": "completed", "content": [{"type": "input_text", "text": "hi"}],
        }  # fmt: skip

    def test_item_that_is_repeated_or_has_no_text_as_id_gets_a_new_id(self) -> None:
        item = {"type": "message", "role": "user", "content": "x", "id": "msg_9"}
        listed = listed_items([item, item, {**item, "id": 5}], "ab" * 16)
        assert [one["id"] for one in listed] == [
            "msg_9",
            f"msg_{'ab' * 16}i0001",
            f"msg_{'ab' * 16}i0002",
        ]

    def test_id_of_the_client_is_kept(self) -> None:
        item = {
            "type": "message",
            "role": "assistant",
            "content": "x",
            "id": "msg_9",
            "phase": None,
        }
        (listed,) = listed_items([item], "ab" * 16)
        assert listed["id"] == "msg_9"
        assert "phase" not in listed
        assert listed["content"] == [{"type": "output_text", "text": "x", "annotations": []}]


class TestTools:
    def test_function_gets_the_form_of_a_chat(self) -> None:
        chat = chat_of(tools=[{**FUNCTION, "strict": True, "description": None}])
        function = {"name": "read_pump", "parameters": {"type": "object"}, "strict": True}
        assert chat["tools"] == [{"type": "function", "function": function}]

    @pytest.mark.parametrize("choice", ["none", "auto", "required"])
    def test_choice_in_a_word_is_kept(self, choice: str) -> None:
        assert chat_of(tools=[FUNCTION], tool_choice=choice)["tool_choice"] == choice

    def test_forced_function_gets_the_form_of_a_chat(self) -> None:
        choice = {"type": "function", "name": "read_pump"}
        chat = chat_of(tools=[FUNCTION], tool_choice=choice)
        assert chat["tool_choice"] == {"type": "function", "function": {"name": "read_pump"}}

    def test_tools_that_are_not_allowed_are_left_out(self) -> None:
        allowed = {"type": "allowed_tools", "mode": "required"}
        named = [{"type": "function", "name": "b"}]
        tools = [FUNCTION, {**FUNCTION, "name": "b"}, SEARCH]
        chat = chat_of(tools=tools, tool_choice={**allowed, "tools": named})
        assert [one["function"]["name"] for one in chat["tools"]] == ["b"]
        assert chat["tool_choice"] == "required"

    def test_fields_about_tools_are_left_out_without_tools(self) -> None:
        chat = chat_of(tools=[], tool_choice="auto", parallel_tool_calls=True)
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & chat.keys()

    @pytest.mark.parametrize(
        "choice",
        [
            {"type": "function", "name": "other"},
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "x"}]},
            {"type": "allowed_tools", "mode": "auto", "tools": []},
        ],
    )
    def test_choice_of_an_unknown_function_is_rejected(self, choice: dict[str, Any]) -> None:
        with pytest.raises(ParameterInvalid) as caught:
            chat_of(tools=[FUNCTION], tool_choice=choice)
        assert caught.value.param == "tool_choice"

    def test_required_call_without_tools_is_rejected(self) -> None:
        with pytest.raises(ParameterInvalid):
            chat_of(tool_choice="required")

    @pytest.mark.parametrize("kind", ["web_search", "mcp", "custom", None])
    def test_tool_of_another_kind_is_rejected(self, kind: str | None) -> None:
        with pytest.raises(ParameterUnsupported) as caught:
            chat_of(tools=[FUNCTION, {"type": kind}])
        assert caught.value.param == "tools[1].type"

    def test_specialist_is_a_tool_of_the_chat(self) -> None:
        tool = {"type": "specialist", "models": ["m"], "max_calls": 2}
        assert chat_of(tools=[FUNCTION, {**tool, "subject": None}])["tools"][1] == tool

    def test_unknown_field_of_a_function_is_rejected(self) -> None:
        with pytest.raises(ParameterUnknown) as caught:
            chat_of(tools=[{**FUNCTION, "parametres": {}}])
        assert caught.value.param == "tools[0].parametres"

    def test_search_is_a_tool_of_the_chat_and_needs_a_question(self) -> None:
        assert chat_of(tools=[{**SEARCH, "filters": None}])["tools"] == [SEARCH]
        with pytest.raises(ParameterInvalid) as caught:
            chat_of(tools=[SEARCH], input=[{"role": "assistant", "content": "x"}])
        assert caught.value.param == "input"


class TestSettings:
    def test_settings_have_the_names_of_a_chat(self) -> None:
        chat = chat_of(
            max_output_tokens=7, temperature=0.5, top_p=0.9, stream=True, service_tier="flex",
            reasoning={"effort": "xhigh", "summary": "auto"}, top_logprobs=2,
        )  # fmt: skip
        del chat["messages"]
        assert chat == {
            "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "stream": True,
            "stream_options": {"include_usage": True}, "service_tier": "flex",
            "reasoning_effort": "xhigh", "logprobs": True, "top_logprobs": 2,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("wanted", "sent"),
        [
            ({"type": "text"}, None),
            ({"type": "json_object"}, {"type": "json_object"}),
            (
                {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True},
                {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True},
                },
            ),
        ],
    )
    def test_text_format_is_the_response_format(self, wanted: Any, sent: Any) -> None:
        assert chat_of(text={"format": wanted}).get("response_format") == sent

    def test_logprobs_are_requested_by_include(self) -> None:
        chat = chat_of(include=["message.output_text.logprobs", "reasoning.encrypted_content"])
        assert chat["logprobs"] is True

    @pytest.mark.parametrize(
        ("fields", "error", "param"),
        [
            ({"max_tokens": 5}, ParameterUnknown, "max_tokens"),
            ({"messages": []}, ParameterUnknown, "messages"),
            ({"truncation": "auto"}, ParameterUnsupported, "truncation"),
            ({"conversation": "conv_1"}, ParameterUnsupported, "conversation"),
            ({"prompt": {"id": "x"}}, ParameterUnsupported, "prompt"),
            ({"text": {"verbosity": "low"}}, ParameterUnsupported, "text.verbosity"),
            ({"reasoning": {"effort": "huge"}}, ParameterInvalid, "reasoning.effort"),
            ({"metadata": {"a": "x" * 513}}, ParameterInvalid, "metadata"),
            ({"metadata": {str(n): "x" for n in range(17)}}, ParameterInvalid, "metadata"),
            ({"include": ["everything"]}, ParameterInvalid, "include"),
            ({"stream_options": {}}, ParameterInvalid, "stream_options"),
            ({"background": True}, ParameterInvalid, "background"),
            ({"temperature": 3}, ParameterInvalid, "temperature"),
            ({"max_output_tokens": 0}, ParameterInvalid, "max_output_tokens"),
        ],
    )
    def test_invalid_setting_is_rejected_with_its_name(
        self, fields: dict[str, Any], error: type[AppError], param: str
    ) -> None:
        with pytest.raises(error) as caught:
            chat_of(**fields)
        assert str(caught.value.param).startswith(param)

    def test_defaults_and_ignored_fields_change_nothing(self) -> None:
        ignored = {"user": "u", "safety_identifier": "s", "prompt_cache_key": "k"}
        defaults = {"truncation": "disabled", "text": {"verbosity": "medium"}, "store": False}
        assert chat_of(**ignored, **defaults) == chat_of()
