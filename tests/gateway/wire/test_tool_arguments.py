"""Arguments of function calls in the types that the functions declare."""

import json
from typing import Any

import pytest

from gateway.wire.tool_arguments import conform_arguments, conform_calls
from tests.support.builders import CHAT, Gateway
from tests.support.fakes.upstream import FakeUpstream

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "speed": {"type": "number"},
        "count": {"type": "integer"},
        "grade": {"enum": ["low", "high-end", "L"]},
        "is_new": {"type": "boolean"},
        "code": {"type": "string"},
        "points": {"type": "array", "items": {"type": "number"}},
        "place": {"type": "object", "properties": {"line": {"type": "integer"}}},
        "either": {"anyOf": [{"type": "number"}, {"type": "string"}]},
    },
    "required": ["speed"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "set_point", "parameters": SCHEMA}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"speed": "1450"}, {"speed": 1450}),
        ({"speed": "1,450.5"}, {"speed": 1450.5}),
        ({"speed": 1, "count": 3.0}, {"speed": 1, "count": 3}),
        ({"speed": 1, "count": "12"}, {"speed": 1, "count": 12}),
        ({"speed": 1, "grade": "High End"}, {"speed": 1, "grade": "high-end"}),
        ({"speed": 1, "is_new": "True"}, {"speed": 1, "is_new": True}),
        ({"speed": 1, "code": 6205}, {"speed": 1, "code": "6205"}),
        ({"speed": 1, "points": ["1.5", 2]}, {"speed": 1, "points": [1.5, 2]}),
        ({"speed": 1, "points": "[1, 2]"}, {"speed": 1, "points": [1, 2]}),
        ({"speed": 1, "place": {"line": "4"}}, {"speed": 1, "place": {"line": 4}}),
        ({"speed": 1, "invented": 5}, {"speed": 1}),
        ({"speed": 1, "count": None}, {"speed": 1}),
    ],
)
def test_form_of_a_value_is_that_of_the_schema(given: Any, expected: Any) -> None:
    assert json.loads(conform_arguments(json.dumps(given), SCHEMA)) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        '{"speed": "35 kN"}',
        '{"speed": "fast", "count": 2.5}',
        '{"speed": 1.0,   "either": "5"}',
        '{"speed": null}',
        '{"speed": 1, "grade": "medium"}',
        '{"speed": 1, "is_new": "maybe"}',
        '{"speed": "1,45"}',
        "[1, 2]",
        "not JSON",
        "",
        "[" * 5_000,
    ],
)
def test_what_cannot_be_converted_without_loss_is_left_as_it_is(arguments: str) -> None:
    assert conform_arguments(arguments, SCHEMA) == arguments


def test_open_schema_keeps_what_it_does_not_declare() -> None:
    assert conform_arguments('{"other": "5"}', {"type": "object", "properties": {}}) == (
        '{"other": "5"}'
    )


def test_calls_of_unknown_functions_and_answers_without_calls_are_unchanged() -> None:
    call = {"function": {"name": "other", "arguments": '{"speed": "5"}'}}
    body = json.dumps({"choices": [{"message": {"tool_calls": [call]}}]}).encode()
    assert conform_calls(body, [TOOL]) is body
    plain = b'{"choices": [{"message": {"content": "5"}}]}'
    assert conform_calls(plain, [TOOL]) is plain


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_client_gets_arguments_in_their_types(
    gateway: Gateway, upstream: FakeUpstream, path: str
) -> None:
    upstream.calls = [("set_point", '{"speed": "1450", "grade": "LOW", "invented": 1}')]
    messages = [{"role": "user", "content": "Run line 4 at 1450 rpm."}]
    bodies: dict[str, dict[str, Any]] = {
        "/v1/chat/completions": {"messages": messages, "max_tokens": 20, "tools": [TOOL]},
        "/v1/responses": {
            "input": messages,
            "tools": [{"type": "function", "name": "set_point", "parameters": SCHEMA}],
        },
        "/v1/messages": {
            "messages": messages,
            "max_tokens": 20,
            "tools": [{"name": "set_point", "input_schema": SCHEMA}],
        },
    }
    answer = await gateway.http.post(path, json={"model": CHAT, **bodies[path]})
    assert answer.status_code == 200, answer.text
    assert _arguments(answer.json()) == {"speed": 1450, "grade": "low"}


def _arguments(answer: Any) -> Any:
    """The arguments of the only call, in any of the formats."""
    if "choices" in answer:
        (call,) = answer["choices"][0]["message"]["tool_calls"]
        return json.loads(call["function"]["arguments"])
    if "output" in answer:
        (call,) = (one for one in answer["output"] if one["type"] == "function_call")
        return json.loads(call["arguments"])
    (call,) = (one for one in answer["content"] if one["type"] == "tool_use")
    return call["input"]
