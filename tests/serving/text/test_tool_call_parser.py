"""Tool calls restricted by a schema: the schema per tool choice, and parsing of responses."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from tests.support.heavy import NEEDS_VLLM
from tests.support.json_schemas import jsonschema

if TYPE_CHECKING:
    from vllm.entrypoints.openai.chat_completion import protocol

    from serving.text import tool_call_parser
else:
    protocol = LazyModule("vllm.entrypoints.openai.chat_completion.protocol")
    tool_call_parser = LazyModule("serving.text.tool_call_parser")

pytestmark = NEEDS_VLLM


OEE = {
    "type": "function",
    "function": {
        "name": "oee",
        "parameters": {
            "type": "object",
            "properties": {"good": {"type": "integer"}},
            "additionalProperties": False,
        },
    },
}
LIFE = {"type": "function", "function": {"name": "life"}}
CALL = '{"tool": "oee", "arguments": {"good": 5}}'
NOTHING = '{"tool": null, "arguments": {}}'
QUESTION = {"role": "user", "content": "OEE?"}
RESULT = {"role": "tool", "content": "0.8", "tool_call_id": "a"}


def asked(choice: Any = "auto", *more: dict[str, Any], tools: Any = (OEE, LIFE)) -> Any:
    body: dict[str, Any] = {"model": "m", "messages": [QUESTION, *more]}
    if tools:
        body |= {"tools": list(tools), "tool_choice": choice}
    return protocol.ChatCompletionRequest.model_validate(body)


def parser(request: Any) -> "tool_call_parser.ToolChoiceParser":
    return tool_call_parser.ToolChoiceParser(None, request.tools)  # type: ignore[arg-type]


def held(request: Any) -> dict[str, Any] | None:
    structured = parser(request).adjust_request(request).structured_outputs
    return None if structured is None else structured.json


def fits(answer: str, choice: Any) -> bool:
    found = held(asked(choice))
    assert found is not None
    return bool(jsonschema.Draft202012Validator(found).is_valid(json.loads(answer)))


def test_auto_tool_choice_allows_valid_tool_or_no_tool() -> None:
    assert fits(CALL, "auto")
    assert fits(NOTHING, "auto")
    assert not fits('{"tool": "oee", "arguments": {"bad": 5}}', "auto")
    assert not fits('{"tool": "other", "arguments": {}}', "auto")


def test_required_and_named_tool_choice_restrict_schema() -> None:
    named = {"type": "function", "function": {"name": "life"}}
    assert fits(CALL, "required")
    assert not fits(NOTHING, "required")
    assert fits('{"tool": "life", "arguments": {"hours": 3}}', named)
    assert not fits(CALL, named)


@pytest.mark.parametrize(
    "asking",
    [lambda: asked("none"), lambda: asked("auto", RESULT), lambda: asked(tools=())],
    ids=["forbidden", "after a result", "without tools"],
)
def test_text_only_request_has_no_tool_schema(asking: Callable[[], Any]) -> None:
    request_ = asking()
    assert held(request_) is None
    told = parser(request_).extract_tool_calls(CALL, request_)
    assert (told.tools_called, told.content) == (False, CALL)
    delta = streamed(request_, ["Hello", " you"])
    assert [one.content for one in delta] == ["Hello", " you"]


def test_tool_choice_json_becomes_tool_call() -> None:
    request = asked()
    told = parser(request).extract_tool_calls(CALL, request)
    assert told.tools_called
    assert [(one.function.name, one.function.arguments) for one in told.tool_calls] == [
        ("oee", '{"good":5}')
    ]


def test_no_tool_returns_text_and_truncated_choice_is_unchanged() -> None:
    request = asked()
    assert (
        parser(request).extract_tool_calls(NOTHING, request).content
        == tool_call_parser.NO_TOOL_TEXT
    )
    half = parser(request).extract_tool_calls(CALL[:9], request)
    assert (half.tools_called, half.content) == (False, CALL[:9])


def streamed(request: Any, pieces: list[str]) -> list[Any]:
    one, told, previous = parser(request), [], ""
    for piece in pieces:
        current = previous + piece
        delta = one.extract_tool_calls_streaming(previous, current, piece, [], [], [], request)
        previous = current
        told.append(delta)
    return [delta for delta in told if delta is not None]


def test_stream_emits_complete_tool_call_once() -> None:
    (delta,) = streamed(asked(), [*CALL, ""])
    (call,) = delta.tool_calls
    assert (call.function.name, call.function.arguments) == ("oee", '{"good":5}')
    (words,) = streamed(asked(), list(NOTHING))
    assert words.content == tool_call_parser.NO_TOOL_TEXT


def test_tool_without_parameters_accepts_any_arguments() -> None:
    found = tool_call_parser.tool_choice_schema(asked().tools[1:], required=True)
    assert jsonschema.Draft202012Validator(found).is_valid({"tool": "life", "arguments": {"a": 1}})
