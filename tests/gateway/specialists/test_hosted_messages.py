"""Specialists called on the server for a message: the answer, its decisions and its cost."""

from typing import Any

import pytest

from billing.money import nano_from_text
from tests.support.builders import CHAT, SPECIALIST, Gateway
from tests.support.gateway.message_events import events, text_of

POINT = (
    "Grade L, air temperature 298.1 K, process temperature 308.6 K, rotational speed 1300 rpm, "
    "torque 65 Nm, tool wear 220 min. Will the milling machine fail?"
)


def body(**fields: Any) -> dict[str, Any]:
    message = {"role": "user", "content": POINT}
    tools = [{"type": "specialist"}]
    return {"model": CHAT, "max_tokens": 60, "messages": [message], "tools": tools, **fields}


@pytest.mark.parametrize("fields", [{}, {"model": "auto", "tools": None}], ids=["tool", "auto"])
async def test_message_has_the_specialists_decision_and_cost(
    both: Gateway, fields: dict[str, Any]
) -> None:
    answer = await both.http.post("/v1/messages", json=body(**fields))
    message = answer.json()
    decision = message["x_maas_decisions"][0]
    assert (decision["model"], decision["verdict"]) == (SPECIALIST, "yes")
    assert f"{decision['probability'] * 100:.1f}" in message["content"][0]["text"]
    rows = await both.rows(4)
    assert {row["operation"] for row in rows} == {"messages", "predictions", "chat"}
    cost = nano_from_text(answer.headers["x-maas-cost"])
    assert cost == sum(nano_from_text(row["cost"]) for row in rows)


async def test_streamed_message_has_the_decision_and_cost_at_its_end(both: Gateway) -> None:
    found = events(await both.http.post("/v1/messages", json=body(stream=True)))
    assert "failure is expected" in text_of(found)
    ending = found[-2]
    assert ending["x_maas_decisions"][0]["model"] == SPECIALIST
    costs = [nano_from_text(row["cost"]) for row in await both.rows(4)]
    assert nano_from_text(ending["x_maas_cost"]) == sum(costs)
