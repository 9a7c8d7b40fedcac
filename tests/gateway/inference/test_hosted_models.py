"""Other language models as steps of a loop: asked one question, each a call with row and price."""

import json
from typing import Any

import pytest

from billing.money import nano_from_text
from tests.support.builders import CHAT, INDUSTRIAL, SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held
from tests.support.gateway.milling_model import serve_milling_model

PATH = "/v1/chat/completions"
TEXT = "Translate: Das Lager ist undicht."
NAME = f"ask_{INDUSTRIAL}"
TOOL = {"type": "specialist", "models": [INDUSTRIAL]}
TRANSLATED = "The bearing leaks."


@pytest.fixture(autouse=True)
def translating(upstream: FakeUpstream) -> None:
    upstream.replies = lambda model, _prompt: TRANSLATED if model == INDUSTRIAL else "It leaks."


def asking(*questions: str) -> list[tuple[str, str]]:
    """The calls that the language model makes, one in each answer."""
    return [(NAME, json.dumps({"question": question})) for question in questions]


def body_of(path: str = PATH, **tool: Any) -> dict[str, Any]:
    tools = [{**TOOL, **tool}]
    if path == "/v1/responses":
        return {"model": CHAT, "input": TEXT, "tools": tools, "max_output_tokens": 20}
    messages = [{"role": "user", "content": TEXT}]
    return {"model": CHAT, "messages": messages, "tools": tools, "max_tokens": 20}


@pytest.mark.parametrize("path", [PATH, "/v1/responses", "/v1/messages"])
async def test_model_is_asked_and_its_answer_cost_and_request_are_shown(
    gateway: Gateway, upstream: FakeUpstream, path: str
) -> None:
    upstream.calls = asking("Das Lager ist undicht.")
    answer = await gateway.http.post(path, json=body_of(path))
    assert answer.status_code == 200, answer.text
    (consulted,) = answer.json()["x_maas_consulted"]
    assert (consulted["model"], consulted["answer"]) == (INDUSTRIAL, TRANSLATED)
    assert consulted["question"] == "Das Lager ist undicht."
    rows = {row["request_id"]: row for row in await gateway.rows(4)}
    (asked,) = consulted["request_ids"]
    assert (rows[asked]["model"], rows[asked]["cost"]) == (INDUSTRIAL, consulted["cost"])
    assert rows[asked]["parent_id"] == answer.headers["x-request-id"]
    cost = sum(nano_from_text(row["cost"]) for row in rows.values())
    assert nano_from_text(answer.json()["x_maas_cost"]) == cost > 0
    await nothing_is_held(gateway)


async def test_asked_model_gets_the_question_alone(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.calls = asking("Das Lager?")
    await gateway.http.post(PATH, json=body_of())
    asked = upstream.received[1]
    assert asked["messages"] == [{"role": "user", "content": "Das Lager?"}]
    assert not {"tools", "tool_choice", "stream"} & asked.keys()
    assert asked["max_tokens"] == 512
    result = upstream.received[2]["messages"][-1]
    assert (result["role"], TRANSLATED in result["content"]) == ("tool", True)


async def test_stream_shows_what_was_asked_before_its_cost(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.calls = asking("Das Lager?")
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    text = (await gateway.http.post(PATH, json={**body_of(), **streamed})).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert chunks[-2]["x_maas_consulted"][0]["answer"] == TRANSLATED
    rows = await gateway.rows(4)
    cost = sum(nano_from_text(row["cost"]) for row in rows)
    assert nano_from_text(chunks[-1]["x_maas_cost"]) == cost


async def test_questions_without_end_are_bounded_by_max_calls(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.calls = asking(*(f"Question {number}?" for number in range(50)))
    answer = (await gateway.http.post(PATH, json=body_of(max_calls=2))).json()
    assert len(answer["x_maas_consulted"]) == 2
    assert sum(one["model"] == INDUSTRIAL for one in upstream.received) == 2
    await nothing_is_held(gateway)


async def test_highest_cost_is_that_of_the_quote_and_less_is_refused_or_makes_fewer_calls(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.calls = asking(*(f"Question {number}?" for number in range(50)))
    quotes = {}
    for calls in (1, 3):
        quote = await gateway.http.post("/v1/quote", json=body_of(max_calls=calls))
        quotes[calls] = nano_from_text(quote.json()["max_cost"])
    one = {"X-Max-Cost": f"{quotes[1] / 1e9:.9f}"}
    answer = await gateway.http.post(PATH, json=body_of(max_calls=3), headers=one)
    assert answer.status_code == 200, answer.text
    assert 1 <= len(answer.json()["x_maas_consulted"]) < 3
    assert nano_from_text(answer.headers["x-maas-cost"]) <= quotes[1] < quotes[3]
    little = {"X-Max-Cost": "0.000001"}
    refused = await gateway.http.post(PATH, json=body_of(), headers=little)
    assert error_of(refused)["code"] == "max_cost_exceeded"
    await nothing_is_held(gateway)


async def test_asked_model_that_fails_is_not_billed_and_the_answer_goes_on(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.calls = asking("fault now")
    answer = (await gateway.http.post(PATH, json=body_of())).json()
    (consulted,) = answer["x_maas_consulted"]
    assert (consulted["status"], consulted["cost"]) == ("failed", "0.000000000")
    assert answer["choices"][0]["message"]["content"] == "It leaks."


async def test_language_model_and_specialist_are_called_in_one_loop(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    serve_milling_model(upstream)
    upstream.calls = [*asking("Spindel?"), (SPECIALIST, '{"torque": 65}')]
    body = body_of(models=[SPECIALIST, INDUSTRIAL])
    body["messages"][0]["content"] = "1300 rpm and 65 at the Spindel. Will it fail?"
    answer = (await gateway.http.post(PATH, json=body)).json()
    assert [one["model"] for one in answer["x_maas_consulted"]] == [INDUSTRIAL]
    assert [one["model"] for one in answer["x_maas_decisions"]] == [SPECIALIST]
    rows = await gateway.rows(1 + len(upstream.received))
    assert nano_from_text(answer["x_maas_cost"]) == sum(nano_from_text(row["cost"]) for row in rows)


async def test_unknown_model_is_refused(gateway: Gateway, upstream: FakeUpstream) -> None:
    answer = await gateway.http.post(PATH, json=body_of(models=["nothing"]))
    error = error_of(answer)
    assert (error["code"], error["param"]) == ("model_not_found", "tools")
    assert upstream.received == []
