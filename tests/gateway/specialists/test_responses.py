"""Specialists in responses: verdict, figures and price, whole and streamed, as in a chat."""

import json
from typing import Any

import pytest

from billing.money import nano_from_text
from tests.support.builders import CHAT, SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.openai_client import openai_client

POINT = (
    "Grade L, air temperature 298.1 K, process temperature 308.6 K, rotational speed 1300 rpm, "
    "torque 65 Nm, tool wear 220 min. Will the milling machine fail?"
)
TOOL: Any = {"type": "specialist", "subject": "mill 3"}
ASKED: dict[str, Any] = {"model": CHAT, "input": POINT, "tools": [TOOL], "max_output_tokens": 60}


@pytest.mark.parametrize("streamed", [False, True])
async def test_response_has_the_verdict_and_its_cost_is_the_sum_of_its_rows(
    both: Gateway, streamed: bool
) -> None:
    body = {**ASKED, "stream": True} if streamed else ASKED
    answer = await both.http.post("/v1/responses", json=body)
    assert answer.status_code == 200, answer.text
    if streamed:
        last = json.loads(answer.text.strip().rpartition("\ndata: ")[2])
        response, cost = last["response"], last["x_maas_cost"]
    else:
        response, cost = answer.json(), answer.headers["x-maas-cost"]
    (message,) = response["output"]
    assert message["content"][0]["text"].startswith("A failure is expected")
    (decision,) = response["x_maas_decisions"]
    assert (decision["model"], decision["verdict"]) == (SPECIALIST, "yes")
    assert response["x_maas_answer"] == "composed"
    rows = await both.rows(4)
    assert {row["operation"] for row in rows} == {"responses", "chat", "predictions"}
    assert nano_from_text(cost) == sum(nano_from_text(row["cost"]) for row in rows) > 0


async def test_auto_asks_the_specialist_in_a_response(both: Gateway) -> None:
    body = {"model": "auto", "input": POINT, "max_output_tokens": 60}
    answer = (await both.http.post("/v1/responses", json=body)).json()
    (decision,) = answer["x_maas_decisions"]
    assert (decision["model"], decision["verdict"]) == (SPECIALIST, "yes")


async def test_stored_response_has_the_decisions(both: Gateway) -> None:
    async with openai_client(both) as client:
        made = await client.responses.create(**ASKED, store=True)
        found = await client.responses.retrieve(made.id)
    assert found.model_extra is not None
    assert found.model_extra["x_maas_decisions"][0]["verdict"] == "yes"
    assert found.output_text == made.output_text


async def test_missing_inputs_are_asked_for(both: Gateway, model: FakeUpstream) -> None:
    tool = {"type": "specialist", "models": [SPECIALIST]}
    body = {**ASKED, "input": "Torque 65 Nm: will the milling machine fail?", "tools": [tool]}
    response = (await both.http.post("/v1/responses", json=body)).json()
    assert response["x_maas_answer"] == "asked"
    assert response["x_maas_missing"]
    assert model.received == []
