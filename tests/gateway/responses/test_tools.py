"""Function calls and parsed answers through `/v1/responses`, whole and streamed."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from tests.support.builders import CHAT, Gateway
from tests.support.fakes.scripted_model import ScriptedModel, function_call
from tests.support.openai_client import openai_client

TOOL: Any = {
    "type": "function",
    "name": "read_pump",
    "description": "Read a pump's pressure",
    "parameters": {"type": "object", "properties": {"pump": {"type": "string"}}},
    "strict": False,
}
ANSWER = {"role": "assistant", "content": "It has 3 bar."}


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
async def test_client_calls_the_function_and_gets_an_answer(
    scripted: Gateway, model: ScriptedModel, streamed: bool, stored: bool
) -> None:
    model.answers = [function_call("read_pump", pump="P-1"), ANSWER]
    async with openai_client(scripted) as client:

        async def ask(items: Any, **fields: Any) -> Any:
            body: dict[str, Any] = {"model": CHAT, "input": items, "tools": [TOOL], **fields}
            if not streamed:
                return await client.responses.create(**body, store=stored)
            async with client.responses.stream(**body, store=stored) as stream:
                return await stream.get_final_response()

        question = {"role": "user", "content": "How much pressure has P-1?"}
        first = await ask([question])
        (call,) = first.output
        assert (call.type, call.name, json.loads(call.arguments)) == (
            "function_call", "read_pump", {"pump": "P-1"})  # fmt: skip
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "3 bar"}
        if stored:
            second = await ask([result], previous_response_id=first.id)
        else:
            second = await ask([question, call.model_dump(exclude_none=True), result])
        assert second.output_text == "It has 3 bar."
    sent = model.received[1]["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "tool"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == call.call_id
    assert model.received[0]["tools"][0]["function"]["name"] == "read_pump"
    rows = await scripted.rows(2)
    assert {row["settlement"] for row in rows} == {"complete"}


async def test_forced_function_reaches_the_model(scripted: Gateway, model: ScriptedModel) -> None:
    model.answers = [function_call("read_pump")]
    async with openai_client(scripted) as client:
        forced = await client.responses.create(
            model=CHAT,
            input="hi",
            tools=[TOOL],
            tool_choice={"type": "function", "name": "read_pump"},
            parallel_tool_calls=False,
        )
    assert model.received[0]["tool_choice"] == {
        "type": "function", "function": {"name": "read_pump"}}  # fmt: skip
    assert model.received[0]["parallel_tool_calls"] is False
    assert forced.tools[0].type == "function"


class Reading(BaseModel):
    """A reading of a pump."""

    pressure_bar: float


async def test_official_client_parses_structured_output(
    scripted: Gateway, model: ScriptedModel
) -> None:
    model.answers = [{"role": "assistant", "content": '{"pressure_bar": 3}'}]
    async with openai_client(scripted) as client:
        parsed = await client.responses.parse(model=CHAT, input="P-1?", text_format=Reading)
    assert parsed.output_parsed == Reading(pressure_bar=3)
    schema = model.received[0]["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"]) == ("Reading", True)
