"""`tool_choice` and `parallel_tool_calls` beside specialists, as in OpenAI's API."""

from typing import Any

import pytest

from tests.support.builders import CHAT, INDUSTRIAL, SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held
from tests.support.gateway.milling_model import serve_milling_model

PATH = "/v1/chat/completions"
# The specialist has all inputs of the first text; of the second, only the model tells a column.
FILLED = "1300 rpm and 65 Nm. Will the milling machine fail?"
UNCLEAR = "1300 rpm and 65 at the spindle. Will it fail?"
TOOL = {"type": "specialist", "models": [SPECIALIST]}
CALL = (SPECIALIST, '{"torque": 65}')
ORDER = ("order_part", '{"part": "insert"}')
FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {"name": "order_part", "parameters": {"type": "object"}},
}


@pytest.fixture(autouse=True)
def specialist(upstream: FakeUpstream) -> None:
    serve_milling_model(upstream)
    upstream.says = "I would say so."


def body_of(path: str = PATH, text: str = FILLED, **fields: Any) -> dict[str, Any]:
    if path == "/v1/responses":
        return {"model": CHAT, "input": text, "tools": [TOOL], "max_output_tokens": 20, **fields}
    messages = [{"role": "user", "content": text}]
    return {"model": CHAT, "messages": messages, "tools": [TOOL], "max_tokens": 20, **fields}


async def ask(gateway: Gateway, path: str = PATH, text: str = FILLED, **fields: Any) -> Any:
    answer = await gateway.http.post(path, json=body_of(path, text, **fields))
    assert answer.status_code == 200, answer.text
    await nothing_is_held(gateway)
    return answer.json()


def texts_of(upstream: FakeUpstream) -> list[dict[str, Any]]:
    """The requests to the language model."""
    return [one for one in upstream.received if "messages" in one]


def predictions_of(upstream: FakeUpstream) -> int:
    return len(upstream.received) - len(texts_of(upstream))


NO_CALL: dict[str, Any] = {
    PATH: "none", "/v1/responses": "none", "/v1/messages": {"type": "none"},
}  # fmt: skip
ANY_CALL: dict[str, Any] = {
    PATH: "required", "/v1/responses": "required", "/v1/messages": {"type": "any"},
}  # fmt: skip
NAMED: dict[str, Any] = {
    PATH: {"type": "function", "function": {"name": SPECIALIST}},
    "/v1/responses": {"type": "function", "name": SPECIALIST},
    "/v1/messages": {"type": "tool", "name": SPECIALIST},
}
HOSTED: dict[str, Any] = {
    PATH: {"type": "specialist"},
    "/v1/responses": {"type": "specialist"},
    "/v1/messages": {"type": "tool", "name": "specialist"},
}


@pytest.mark.parametrize("path", NO_CALL)
async def test_choice_none_lets_the_language_model_answer_alone(
    gateway: Gateway, upstream: FakeUpstream, path: str
) -> None:
    answer = await ask(gateway, path, tool_choice=NO_CALL[path])
    assert "x_maas_decisions" not in answer
    (sent,) = upstream.received
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & sent.keys()


async def test_choice_none_keeps_the_functions_of_the_client_in_the_prompt(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    await ask(gateway, tools=[FUNCTION, TOOL], tool_choice="none")
    (sent,) = upstream.received
    assert (sent["tools"], sent["tool_choice"]) == ([FUNCTION], "none")


@pytest.mark.parametrize("tools", [{}, {"tools": [TOOL]}, {"tools": None}])
async def test_auto_with_choice_none_is_offered_no_specialist(
    gateway: Gateway, upstream: FakeUpstream, tools: dict[str, Any]
) -> None:
    messages = [{"role": "user", "content": FILLED}]
    body = {"model": "auto", "messages": messages, "max_tokens": 20, **tools}
    offered = await gateway.http.post(PATH, json={**body, "tools": None})
    assert offered.json()["x_maas_decisions"]
    answer = await gateway.http.post(PATH, json={**body, "tool_choice": "none"})
    assert answer.status_code == 200, answer.text
    assert "x_maas_decisions" not in answer.json()


@pytest.mark.parametrize("path", ANY_CALL)
async def test_choice_required_is_sent_until_a_tool_was_called(
    gateway: Gateway, upstream: FakeUpstream, path: str
) -> None:
    upstream.calls = [CALL]
    answer = await ask(gateway, path, UNCLEAR, tool_choice=ANY_CALL[path])
    assert [one["model"] for one in answer["x_maas_decisions"]] == [SPECIALIST]
    choices = [one.get("tool_choice") for one in texts_of(upstream)]
    assert choices[:2] == ["required", "auto"]


async def test_choice_required_is_fulfilled_by_a_specialist_that_has_its_inputs(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    answer = await ask(gateway, tools=[FUNCTION, TOOL], tool_choice="required")
    assert len(answer["x_maas_decisions"]) == 1


async def test_choice_required_of_an_engine_without_tools_is_refused_not_ignored(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.does = ["unknown-fault"]
    body = body_of(text="What is a bearing?", tools=[FUNCTION, TOOL], tool_choice="required")
    answer = await gateway.http.post(PATH, json=body)
    assert answer.status_code == 400
    assert len(texts_of(upstream)) == 1


@pytest.mark.parametrize("path", NAMED)
async def test_named_specialist_is_the_one_that_is_called(
    gateway: Gateway, upstream: FakeUpstream, path: str
) -> None:
    upstream.calls = [CALL]
    tools = [{**TOOL, "models": [SPECIALIST, INDUSTRIAL]}]
    answer = await ask(gateway, path, UNCLEAR, tools=tools, tool_choice=NAMED[path])
    assert [one["model"] for one in answer["x_maas_decisions"]] == [SPECIALIST]
    first, second, *_ = texts_of(upstream)
    assert first["tool_choice"] == NAMED[PATH]
    assert [one["function"]["name"] for one in first["tools"]] == [SPECIALIST]
    assert second["tool_choice"] == "auto"


async def test_named_language_model_is_asked_though_a_specialist_has_its_inputs(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    name = f"ask_{INDUSTRIAL}"
    upstream.calls = [(name, '{"question": "Fail?"}')]
    choice = {"type": "function", "function": {"name": name}}
    tools = [{**TOOL, "models": [SPECIALIST, INDUSTRIAL]}]
    answer = await ask(gateway, tools=tools, tool_choice=choice)
    assert [one["model"] for one in answer["x_maas_consulted"]] == [INDUSTRIAL]
    assert (answer["x_maas_decisions"], predictions_of(upstream)) == ([], 0)
    assert texts_of(upstream)[0]["tool_choice"] == choice


async def test_named_function_of_the_client_is_called_and_no_specialist(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.calls = [ORDER]
    choice = {"type": "function", "function": {"name": "order_part"}}
    answer = await ask(gateway, tools=[TOOL, FUNCTION], tool_choice=choice)
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "order_part"
    (sent,) = upstream.received
    assert (sent["tools"], sent["tool_choice"]) == ([FUNCTION], choice)


@pytest.mark.parametrize("path", HOSTED)
async def test_type_of_a_hosted_tool_excludes_functions_of_the_client(
    gateway: Gateway, upstream: FakeUpstream, path: str
) -> None:
    upstream.calls = [CALL]
    own: dict[str, Any] = {
        PATH: FUNCTION,
        "/v1/responses": {"type": "function", "name": "order_part", "parameters": {}},
        "/v1/messages": {"name": "order_part", "input_schema": {"type": "object"}},
    }
    answer = await ask(gateway, path, UNCLEAR, tools=[TOOL, own[path]], tool_choice=HOSTED[path])
    assert len(answer["x_maas_decisions"]) == 1
    first = texts_of(upstream)[0]
    assert first["tool_choice"] == "required"
    assert [one["function"]["name"] for one in first["tools"]] == [SPECIALIST]


async def test_without_parallel_calls_the_first_call_of_a_step_is_made(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.calls, upstream.calls_at_once = [CALL, ORDER], 2
    tools = [FUNCTION, TOOL]
    answer = await ask(gateway, PATH, UNCLEAR, tools=tools, parallel_tool_calls=False)
    assert len(answer["x_maas_decisions"]) == 1
    assert answer["choices"][0]["finish_reason"] == "stop"
    sent = texts_of(upstream)
    assert sent[0]["parallel_tool_calls"] is False
    assert len(sent[1]["messages"][1]["tool_calls"]) == 1


async def test_parallel_calls_are_returned_together(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.calls, upstream.calls_at_once = [ORDER, ORDER], 2
    answer = await ask(gateway, PATH, UNCLEAR, tools=[FUNCTION, TOOL], parallel_tool_calls=True)
    assert len(answer["choices"][0]["message"]["tool_calls"]) == 2


async def test_without_parallel_calls_one_function_of_the_client_is_returned(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.calls, upstream.calls_at_once = [ORDER, ORDER], 2
    answer = await ask(gateway, PATH, UNCLEAR, tools=[FUNCTION, TOOL], parallel_tool_calls=False)
    assert len(answer["choices"][0]["message"]["tool_calls"]) == 1


@pytest.mark.parametrize("path", [PATH, "/v1/responses"])
@pytest.mark.parametrize("fields", [{"tool_choice": None, "parallel_tool_calls": None}, {}])
async def test_null_is_like_an_absent_choice(
    gateway: Gateway, upstream: FakeUpstream, path: str, fields: dict[str, Any]
) -> None:
    upstream.calls = [CALL]
    await ask(gateway, path, UNCLEAR, **fields)
    first = texts_of(upstream)[0]
    assert first["tool_choice"] == "auto"
    assert "parallel_tool_calls" not in first


@pytest.mark.parametrize(
    "choice",
    [
        "always",
        {"type": "function", "function": {"name": "nothing"}},
        {"type": "function"},
        {"type": "plant_graph"},
        {"type": "file_search"},
        {"type": ["specialist"]},
    ],
)
async def test_choice_that_fits_no_tool_is_refused_before_anything_is_sent(
    gateway: Gateway, upstream: FakeUpstream, choice: Any
) -> None:
    answer = await gateway.http.post(PATH, json=body_of(tool_choice=choice))
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (400, "invalid_value")
    assert error["param"].startswith("tool_choice")
    assert upstream.received == []


@pytest.mark.parametrize("kind", [["specialist"], {"a": 1}, 7])
async def test_type_of_a_tool_that_is_no_text_is_refused(gateway: Gateway, kind: Any) -> None:
    answer = await gateway.http.post(PATH, json=body_of(tools=[{"type": kind}]))
    assert (answer.status_code, error_of(answer)["param"]) == (400, "tools[0].type")
