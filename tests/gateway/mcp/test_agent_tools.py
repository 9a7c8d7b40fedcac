"""Tools on agents at `/mcp`, and two programs whose agents call each other through MCP and A2A."""

import json
from importlib import import_module
from typing import Any

import pytest

from gateway.identity.audit_log import list_account_entries
from tests.support.builders import Gateway, customer
from tests.support.fakes.calling_agents import run_calling_agents
from tests.support.gateway.agent_api import PATH, active, restricted
from tests.support.gateway.mcp_calls import call, list_tools, official_client
from tests.support.heavy import NEEDS_A2A, NEEDS_MCP
from tests.support.json_schemas import jsonschema

pytestmark = [NEEDS_MCP, NEEDS_A2A]
READING = {"list_agents", "agent_status", "agent_decisions", "agent_actions", "replay_agent"}
CHANGING = {"run_agent", "approve_agent_action", "reject_agent_action", "undo_agent_action"}


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Imported before a gateway runs, which would answer no call for the second that it takes."""
    for package in ("mcp", "a2a.client"):
        import_module(package)


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: each test has agents of its own."""
    return shared_gateway


async def agent_of(gateway: Gateway) -> str:
    """The id of an active agent that proposes."""
    return str((await active(gateway))["id"])


def code_of(result: dict[str, Any]) -> str:
    assert result["isError"]
    return str(json.loads(result["content"][0]["text"])["code"])


async def test_tools_are_listed_with_what_they_change(gateway: Gateway) -> None:
    await agent_of(gateway)
    tools = {name: tool for name, tool in (await list_tools(gateway)).items() if "agent" in name}
    assert set(tools) == READING | CHANGING
    hints = {name: tool["annotations"] for name, tool in tools.items()}
    assert {name for name, one in hints.items() if one["readOnlyHint"]} == READING
    destructive = {name for name, one in hints.items() if one["destructiveHint"]}
    assert destructive == {"reject_agent_action", "undo_agent_action"}
    assert not hints["run_agent"]["idempotentHint"]
    for tool in tools.values():
        for name in ("inputSchema", "outputSchema"):
            jsonschema.Draft202012Validator.check_schema(tool[name])


async def test_key_without_the_permission_neither_sees_nor_calls_them(gateway: Gateway) -> None:
    agent = await agent_of(gateway)
    headers = {"authorization": f"Bearer {await restricted(gateway, 'calls')}"}
    assert not set(await list_tools(gateway, headers)) & (READING | CHANGING)
    result = await call(gateway, "run_agent", {"agent": agent}, headers)
    assert code_of(result) == "api_key_permission"


async def test_official_client_runs_an_agent_and_decides_about_its_action(
    gateway: Gateway,
) -> None:
    agent = await agent_of(gateway)
    async with official_client(gateway) as client:
        given = {"agent": agent, "idempotency_key": "night"}
        first, second = [await client.call_tool("run_agent", given) for _ in range(2)]
        assert first.structured_content == second.structured_content
        status = await client.call_tool("agent_status", {"agent": agent})
        (proposal,) = status.structured_content["proposals"]
        assert status.structured_content["last_decision"]["assessment"]["action"] == "inspect"
        for tool, state in (("approve", "executed"), ("undo", "undone")):
            done = await client.call_tool(f"{tool}_agent_action", {"action": proposal["id"]})
            assert done.structured_content["action"]["status"] == state
        for tool, field, count in (
            ("agent_decisions", "decisions", 1),
            ("agent_actions", "actions", 1),
        ):
            listed = await client.call_tool(tool, {"agent": agent})
            assert len(listed.structured_content[field]) == count
        replayed = await client.call_tool("replay_agent", {"agent": agent})
        assert replayed.structured_content["replay"]["predictions"]["made"] == 0


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("agent_status", {"agent": "agent_none"}, "agent_not_found"),
        ("agent_status", {}, "invalid_value"),
        ("agent_decisions", {"agent": "agent_none", "limit": 1000}, "invalid_value"),
        ("agent_actions", {"status": "lost"}, "invalid_value"),
        ("list_agents", {"after": "x"}, "invalid_value"),
        ("run_agent", {"agent": "agent_none", "max_cost": "much"}, "invalid_value"),
        ("replay_agent", {"agent": "agent_none", "max_cost": "much"}, "invalid_value"),
        ("undo_agent_action", {"action": "act_none"}, "agent_action_not_found"),
    ],
)
async def test_arguments_that_cannot_be_used_are_refused(
    gateway: Gateway, tool: str, arguments: dict[str, Any], code: str
) -> None:
    assert code_of(await call(gateway, tool, arguments)) == code


async def test_other_account_runs_nothing(gateway: Gateway) -> None:
    agent, parts = await agent_of(gateway), gateway.parts
    _, key = await customer(parts.database, parts.settings, "Stranger of tools")
    headers = {"authorization": f"Bearer {key.secret}"}
    assert "run_agent" not in await list_tools(gateway, headers)
    for tool in ("run_agent", "agent_status", "replay_agent"):
        assert code_of(await call(gateway, tool, {"agent": agent}, headers)) == "agent_not_found"


async def test_agents_that_call_each_other_end_with_a_cycle_that_is_counted_and_audited(
    gateway: Gateway,
) -> None:
    agents = {"mcp": await agent_of(gateway), "a2a": await agent_of(gateway)}
    async with run_calling_agents(gateway, agents) as both:
        await both.asked("mcp", "")
    assert both.ran == ["mcp", "a2a"]
    (refused,) = both.refused
    assert "agent_call_cycle" in refused
    for agent in agents.values():
        runs = (await gateway.http.get(f"{PATH}/{agent}/runs")).json()["data"]
        assert len(runs) == 1
    sample = gateway.parts.metrics.agents.loops.labels("mcp", "cycle")
    assert sample._value.get() == 1
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
    (entry,) = [one for one in entries if one.action == "agent.call_refused"]
    assert entry.details["chain"] == [agents["mcp"], agents["a2a"]]
