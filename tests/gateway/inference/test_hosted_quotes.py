"""A quote of a chat with hosted tools is what the chat holds, for the same body."""

from typing import Any

import pytest

from billing.money import nano_from_text, nano_text
from tests.support.builders import CHAT, INDUSTRIAL, SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.milling_model import record_held_costs, serve_milling_model

PATH = "/v1/chat/completions"
FILLED = "1300 rpm and 65 Nm. Will the milling machine fail?"
UNCLEAR = "1300 rpm and 65 at the spindle. Will it fail?"
TABLE = "Will it fail?\n\n| torque | speed |\n|---|---|\n| 65 | 1300 |\n| 40 | 1500 |\n| 20 | 900 |"
TOOL = {"type": "specialist", "models": [SPECIALIST]}
FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {"name": "order_part", "parameters": {"type": "object"}},
}
CASES: dict[str, dict[str, Any]] = {
    "called directly": {"text": FILLED},
    "chosen by the model": {"text": UNCLEAR},
    "sixteen calls": {"text": UNCLEAR, "tools": [{**TOOL, "max_calls": 16}]},
    "several rows": {"text": TABLE},
    "beside functions": {"text": UNCLEAR, "tools": [FUNCTION, TOOL]},
    "beside a model": {"text": UNCLEAR, "tools": [{**TOOL, "models": [SPECIALIST, INDUSTRIAL]}]},
    "a required call": {"text": UNCLEAR, "tool_choice": "required"},
    "inputs are asked for": {"text": "65 Nm. Will the milling machine fail?"},
    "all specialists": {"text": UNCLEAR, "tools": [{"type": "specialist"}]},
    "auto": {"text": FILLED, "model": "auto", "tools": None},
    "long answer": {"text": UNCLEAR, "max_tokens": 2000},
    "answer without limit": {"text": UNCLEAR, "max_tokens": None},
    "stream": {"text": UNCLEAR, "stream": True},
}


@pytest.fixture(autouse=True)
def specialist(upstream: FakeUpstream) -> None:
    serve_milling_model(upstream)
    upstream.says = "I would say so."


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What calls held for their steps, in nano-units."""
    return record_held_costs(monkeypatch)


def body_of(text: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    body = {"model": CHAT, "messages": messages, "tools": [TOOL], "max_tokens": 20, **fields}
    return {name: value for name, value in body.items() if value is not None}


@pytest.mark.parametrize("case", CASES)
async def test_quote_is_what_the_call_holds(gateway: Gateway, held: list[int], case: str) -> None:
    body = body_of(**CASES[case])
    quote = (await gateway.http.post("/v1/quote", json=body)).json()
    answer = await gateway.http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    assert held == [nano_from_text(quote["max_cost"])]
    assert quote["hosted_tools_max_cost"] == quote["max_cost"]
    assert (held == [0]) == (case == "inputs are asked for")


async def test_response_is_quoted_as_it_is_held(gateway: Gateway, held: list[int]) -> None:
    body = {"model": CHAT, "input": UNCLEAR, "tools": [TOOL], "max_output_tokens": 20}
    quote = await gateway.http.post("/v1/quote", json=body, params={"endpoint": "/v1/responses"})
    assert quote.status_code == 200, quote.text
    await gateway.http.post("/v1/responses", json=body)
    assert held == [nano_from_text(quote.json()["max_cost"])]


@pytest.mark.parametrize(
    ("text", "functions"),
    [(FILLED, []), (UNCLEAR, []), (UNCLEAR, [FUNCTION])],
    ids=["called directly", "chosen by the model", "beside functions"],
)
async def test_max_cost_of_the_quote_is_enough_and_a_nano_less_is_not(
    gateway: Gateway, text: str, functions: list[Any]
) -> None:
    body = body_of(text, tools=[*functions, {**TOOL, "max_calls": 1}])
    quote = (await gateway.http.post("/v1/quote", json=body)).json()
    enough = {"x-max-cost": quote["max_cost"]}
    answer = await gateway.http.post(PATH, json=body, headers=enough)
    assert answer.status_code == 200, answer.text
    less = {"x-max-cost": nano_text(nano_from_text(quote["max_cost"]) - 1)}
    refused = await gateway.http.post(PATH, json=body, headers=less)
    assert error_of(refused)["code"] == "max_cost_exceeded"


async def test_quote_without_a_call_of_tools_is_that_of_the_plain_chat(gateway: Gateway) -> None:
    body = body_of(FILLED, tool_choice="none")
    quote = (await gateway.http.post("/v1/quote", json=body)).json()
    plain = (await gateway.http.post("/v1/quote", json=body_of(FILLED, tools=None))).json()
    assert "hosted_tools_max_cost" not in quote
    assert quote["max_cost"] == plain["max_cost"]


async def test_quote_of_a_specialist_that_does_not_exist_is_refused_as_the_call_is(
    gateway: Gateway,
) -> None:
    body = body_of(FILLED, tools=[{"type": "specialist", "models": ["nothing"]}])
    quote = await gateway.http.post("/v1/quote", json=body)
    answer = await gateway.http.post(PATH, json=body)
    assert error_of(quote)["code"] == error_of(answer)["code"] == "model_not_found"
