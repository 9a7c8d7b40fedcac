"""The task of tools as programs ask it: functions are offered, and the call is scored."""

import json
from typing import Any

import httpx
import pytest

from models.industrial_llm.asking import ChatClient
from models.industrial_llm.evaluate import EvaluationOptions, evaluate_model
from models.industrial_llm.examples import DatasetSplit, Example
from models.industrial_llm.tasks.tools import list_tools

REQUEST = Example("tool_choice", "own_requests", "en", "OEE?", "")
# The tool with a quantity of good pieces.
OEE = next(tool.id for tool in list_tools() if "good_quantity" in [one.name for one in tool.fields])


def split(answer: str) -> dict[str, DatasetSplit]:
    example = Example(REQUEST.task, REQUEST.source, REQUEST.language, REQUEST.text, answer)
    return {"tool_choice": DatasetSplit((), (), (example,))}


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (
            {"tool_calls": [{"function": {"name": OEE, "arguments": '{"good_quantity": 5}'}}]},
            {"tool": OEE, "arguments": {"good_quantity": 5}},
        ),
        ({"content": "It is 0.8."}, {"tool": None, "arguments": {}}),
    ],
)
def test_offered_tools_are_functions_and_the_first_call_is_the_answer(
    message: dict[str, Any], wanted: dict[str, Any]
) -> None:
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"choices": [{"message": {"content": None, **message}}]})

    client = ChatClient("http://model", "", "m", transport=httpx.MockTransport(answer))
    figures, answered = evaluate_model(
        split(json.dumps(wanted)), EvaluationOptions(as_tools=True), client
    )
    assert json.loads(answered[0].answer) == wanted
    assert figures["tool_choice"]["own_requests"]["with_arguments"] == 1
    (body,) = sent
    assert body["messages"] == [{"role": "user", "content": "OEE?"}]
    assert "response_format" not in body
    assert OEE in [one["function"]["name"] for one in body["tools"]]
