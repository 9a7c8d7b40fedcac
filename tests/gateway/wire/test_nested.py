"""Nested objects of a chat request: unlisted fields are rejected with their path."""

import json
from typing import Any

import pytest

from gateway.call.errors import ParameterInvalid, ParameterUnknown
from gateway.wire.answer_fields import ResponseMessage
from gateway.wire.chat import parse_chat_request
from gateway.wire.nested import MESSAGE_FIELDS
from tests.support.builders import CHAT

PICTURE = "data:image/png;base64,iVBORw0KGgo="
FUNCTION = {"name": "a", "description": "b", "parameters": {"type": "object"}, "strict": True}


def read(**values: Any) -> None:
    messages = [{"role": "user", "content": "a"}]
    parse_chat_request(json.dumps({"model": CHAT, "messages": messages, **values}).encode())


def said(*content: Any, **values: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": "a"}, *content]
    return {"messages": [{"role": "user", "content": parts, **values}]}


@pytest.mark.parametrize(
    ("values", "place"),
    [
        (said(tools=[]), "messages[0].tools"),
        (said({"type": "image_url", "image_url": {"url": PICTURE}, "uuid": "a"}),
         "messages[0].content[1].uuid"),
        (said({"type": "image_url", "image_url": {"url": PICTURE, "uuid": "a"}}),
         "messages[0].content[1].image_url.uuid"),
        (said(tool_calls=[{"id": "a", "function": {"name": "a", "arguments": "", "x": 1}}]),
         "messages[0].tool_calls[0].function.x"),
        ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x"),
        ({"tools": [{"type": "function", "function": FUNCTION, "defer_loading": True}]},
         "tools[0].defer_loading"),
        ({"tool_choice": {"type": "function", "function": {"name": "a", "x": 1}}},
         "tool_choice.function.x"),
        ({"response_format": {"type": "text", "x": 1}}, "response_format.x"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "x": 1}}},
         "response_format.json_schema.x"),
    ],
)  # fmt: skip
def test_unknown_nested_field_is_rejected_with_its_path(values: dict[str, Any], place: str) -> None:
    with pytest.raises(ParameterUnknown) as refused:
        read(**values)
    assert refused.value.param == place


@pytest.mark.parametrize("kind", ["image_embeds", "audio_embeds", "prompt_embeds", "file", 1, []])
def test_unsupported_content_part_type_is_rejected(kind: Any) -> None:
    with pytest.raises(ParameterInvalid) as refused:
        read(**said({"type": kind, "image_embeds": "aGVsbG8="}))
    assert str(refused.value.param).startswith("messages[0].content[1].type")


@pytest.mark.parametrize(
    "values",
    [
        said(name="ann"),
        said({"type": "input_audio", "input_audio": {"data": "YQ==", "format": "wav"}}),
        said(
            tool_calls=[
                {
                    "id": "a",
                    "type": "function",
                    "index": 0,
                    "function": {"name": "a", "arguments": "{}"},
                }
            ]
        ),
        {"tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "auto"},
        {"tools": [{"type": "function", "function": {"name": "a"}}], "parallel_tool_calls": False},
        {"tool_choice": {"type": "function", "function": {"name": "a"}}},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema",
                             "json_schema": {"name": "a", "schema": {"x": 1}, "strict": True}}},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
    ],
)  # fmt: skip
def test_fields_of_official_clients_are_accepted(values: dict[str, Any]) -> None:
    read(**values)


def test_response_message_fields_are_accepted_in_requests() -> None:
    assert set(ResponseMessage.__struct_fields__) <= MESSAGE_FIELDS
