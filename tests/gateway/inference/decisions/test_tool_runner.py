"""The official client's tool runner selects actions by decisions of the gateway."""

from typing import Any

from openai.lib.decisions_tool_runner import AsyncDecisionsToolRunner

from tests.support.builders import CHAT, Gateway
from tests.support.fakes.first_tokens import choosing
from tests.support.fakes.upstream import FakeUpstream
from tests.support.openai_client import openai_client


async def test_runner_runs_the_chosen_actions_until_done(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    state = {"valve": "open"}
    upstream.chances = lambda prompt: choosing(
        {"close_valve": 0.8, "done": 0.2} if "valve: open" in prompt else {"done": 0.9}
    )(prompt)

    async def observe() -> str:
        return f"valve: {state['valve']}"

    async def close() -> None:
        state["valve"] = "closed"

    async def candidates(_observed: Any) -> list[Any]:
        return [
            {"id": "close_valve", "description": "Close the valve.", "execute": close},
            {"id": "done", "description": "The valve is closed.", "done": True},
        ]

    async def verify(observed: Any) -> bool:
        return bool(observed == "valve: closed")

    runner = AsyncDecisionsToolRunner(observe=observe, candidates=candidates, verify=verify)
    async with openai_client(gateway) as client:
        result = await runner.run(client, {"model": CHAT, "input": "Close the valve."})
    assert result["status"] == "verified"
    assert result["completed_candidate_ids"] == ["close_valve"]
    assert len(await gateway.rows(2)) == 2
