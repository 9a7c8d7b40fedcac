"""An agent of Dify calls its tool in streamed chats, as with the type "Tool Call"."""

import json
from typing import Any

from tests.gateway.dify.reading import Answer, read_stream
from tests.gateway.dify.requests import HEADERS, QUESTION, SYSTEM, TOOL, chat_body, with_result
from tests.support.builders import CHAT, Gateway
from tests.support.fakes.scripted_model import ScriptedModel, function_call


async def ask(gateway: Gateway, messages: list[dict[str, Any]]) -> Answer:
    body = chat_body(CHAT, messages, tools=[TOOL], tool_choice="auto")
    answer = await gateway.http.post("/v1/chat/completions", json=body, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    return read_stream(answer.text)


async def test_agent_calls_its_tool_and_answers_from_the_result(
    scripted: Gateway, model: ScriptedModel
) -> None:
    model.answers = [
        function_call("read_pump", pump="P-1"),
        {"role": "assistant", "content": "It has 3 bar."},
    ]
    first = await ask(scripted, [SYSTEM, QUESTION])
    (call,) = first.calls
    assert (call["function"]["name"], call["type"]) == ("read_pump", "function")
    assert json.loads(call["function"]["arguments"]) == {"pump": "P-1"}
    second = await ask(scripted, with_result(call, "P-1: 3 bar"))
    assert (second.text, second.calls) == ("It has 3 bar.", [])
    assert second.usage["completion_tokens"] == 4
    assert model.received[1]["messages"] == with_result(call, "P-1: 3 bar")
    assert [one["settlement"] for one in await scripted.rows(2)] == ["complete"] * 2
