"""The OpenAI Agents SDK, unmodified, with its default API: tools, streams, conversations."""

from importlib import import_module
from typing import Any

import pytest

from infra.lazy_import import LazyModule
from tests.support.builders import CHAT, Gateway
from tests.support.fakes.scripted_model import ScriptedModel, function_call
from tests.support.heavy import NEEDS_AGENTS
from tests.support.openai_client import openai_client

pytestmark = NEEDS_AGENTS
agents: Any = LazyModule("agents")
ANSWER = {"role": "assistant", "content": "It has 3 bar."}


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Imported before a gateway runs, which would answer no call for the second that it takes."""
    import_module("agents")


def agent_of(client: Any) -> Any:
    """An agent with a function, whose model is the gateway's."""

    @agents.function_tool  # type: ignore[untyped-decorator]
    def read_pump(pump: str) -> str:
        """Read a pump's pressure."""
        return f"{pump}: 3 bar"

    return agents.Agent(
        name="Assistant",
        instructions="Answer briefly.",
        tools=[read_pump],
        model=agents.OpenAIResponsesModel(model=CHAT, openai_client=client),
    )


@pytest.fixture(autouse=True)
def _no_traces() -> None:
    agents.set_tracing_disabled(True)


async def test_agent_calls_its_function_and_answers(
    scripted: Gateway, model: ScriptedModel
) -> None:
    model.answers = [function_call("read_pump", pump="P-1"), ANSWER]
    async with openai_client(scripted) as client:
        result = await agents.Runner.run(agent_of(client), "How much pressure has P-1?")
    assert result.final_output == "It has 3 bar."
    assert model.received[1]["messages"][-1]["content"] == "P-1: 3 bar"
    used = result.context_wrapper.usage
    assert (used.requests, used.input_tokens, used.output_tokens) == (2, 20, 8)
    assert {row["operation"] for row in await scripted.rows(2)} == {"responses"}


async def test_streamed_agent_emits_the_text_of_the_answer(
    scripted: Gateway, model: ScriptedModel
) -> None:
    model.answers = [function_call("read_pump", pump="P-1"), ANSWER]
    async with openai_client(scripted) as client:
        result = agents.Runner.run_streamed(agent_of(client), "How much pressure has P-1?")
        deltas = [
            event.data.delta
            async for event in result.stream_events()
            if event.type == "raw_response_event"
            and event.data.type == "response.output_text.delta"
        ]
    assert "".join(deltas) == result.final_output == "It has 3 bar."


async def test_second_turn_continues_the_conversation(
    scripted: Gateway, model: ScriptedModel
) -> None:
    model.answers = [ANSWER, {"role": "assistant", "content": "Since Monday."}]
    async with openai_client(scripted) as client:
        agent = agent_of(client)
        first = await agents.Runner.run(agent, "How much pressure has P-1?")
        items = [*first.to_input_list(), {"role": "user", "content": "Since when?"}]
        second = await agents.Runner.run(agent, items)
    assert second.final_output == "Since Monday."
    roles = [one["role"] for one in model.received[1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


async def test_stored_conversation_continues_by_its_last_response(
    scripted: Gateway, model: ScriptedModel
) -> None:
    model.answers = [function_call("read_pump", pump="P-1"), ANSWER, ANSWER]
    stored = agents.RunConfig(model_settings=agents.ModelSettings(store=True))
    async with openai_client(scripted) as client:
        agent = agent_of(client)
        first = await agents.Runner.run(agent, "How much pressure has P-1?", run_config=stored)
        last = first.last_response_id
        await agents.Runner.run(agent, "Again?", previous_response_id=last, run_config=stored)
    roles = [one["role"] for one in model.received[2]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]
