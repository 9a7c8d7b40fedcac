"""Runs outside of the schedule: once by key, on the grid's side, and not while a tick runs."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from billing.tables import GatewayProcess
from gateway.agents.requests.chains import CHAIN_HEADER
from gateway.agents.store.agents import AgentChange, create_agent, find_agent
from gateway.identity.audit_log import CLI_ACTOR, list_account_entries
from gateway.tables import Agent
from infra import ids
from tests.support.builders import Gateway
from tests.support.gateway.agent_api import PATH, active, asset, new_key, post, rule
from tests.support.gateway.agents import PREDICTION, definition
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.gateway.errors import error_of


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: each test has assets of its own."""
    return shared_gateway


async def run(
    gateway: Gateway, made: dict[str, Any], key: str | None = None, **fields: Any
) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return await gateway.http.post(f"{PATH}/{made['id']}/run", json=fields, headers=headers)


async def stored(gateway: Gateway, made: dict[str, Any]) -> Agent:
    async with gateway.parts.database.transaction() as session:
        return await find_agent(session, gateway.account.id, made["id"])


async def test_run_decides_proposes_and_leaves_the_next_tick_where_it_was(
    gateway: Gateway,
) -> None:
    made = await active(gateway)
    due_at = (await stored(gateway, made)).due_at
    answer = await run(gateway, made)
    found = answer.json()
    assert (answer.status_code, found["status"], found["error"]) == (200, "succeeded", None)
    assert (found["assessment"]["action"], found["key"]) == ("inspect", made["key"])
    assert found["rules"][0]["status"] == "raised"
    row = await stored(gateway, made)
    assert (row.due_at, row.process_id) == (due_at, None)
    assert row.ticked_at is not None
    (tick,) = (await gateway.http.get(f"{PATH}/{made['id']}/ticks")).json()["data"]
    assert (tick["id"], tick["assessment"]["agent_chain"]) == (found["tick"], [made["id"]])
    query = f"{PATH}/actions?agent={made['id']}"
    (action,) = (await gateway.http.get(query)).json()["data"]
    assert (action["status"], action["tick"]) == ("proposed", found["tick"])
    path = f"{PATH}/{made['id']}/runs"
    assert (await gateway.http.get(path)).json()["data"] == [found]
    assert (await gateway.http.get(f"{path}/{found['id']}")).json() == found
    assert (await gateway.http.get(f"{path}/arun_none")).status_code == 404


async def test_repeated_key_runs_once_and_with_another_cost_is_refused(gateway: Gateway) -> None:
    made = await active(gateway)
    first, second = [(await run(gateway, made, "night")).json() for _ in range(2)]
    assert first == second
    assert len((await gateway.http.get(f"{PATH}/{made['id']}/ticks")).json()["data"]) == 1
    answer = await run(gateway, made, "night", max_cost="0.01")
    assert (answer.status_code, error_of(answer)["code"]) == (422, "idempotency_key_reused")


async def test_quiet_run_is_returned_and_leaves_no_tick(gateway: Gateway) -> None:
    made = await active(gateway, 1.0)
    found = (await run(gateway, made)).json()
    assert (found["status"], found["assessment"]["action"], found["tick"]) == (
        *("succeeded", "wait"),
        None,
    )


async def test_run_is_refused_while_one_runs_or_the_agent_is_paused(gateway: Gateway) -> None:
    made = await active(gateway)
    async with gateway.parts.database.transaction() as session:
        row = await find_agent(session, gateway.account.id, made["id"])
        now = gateway.parts.clock.now()
        later = now + timedelta(hours=1)
        other = GatewayProcess(id=ids.new_id(), host="x", pid=1, started_at=now, expires_at=later)
        session.add(other)
        row.process_id = other.id
    assert error_of(await run(gateway, made))["code"] == "agent_running"
    async with gateway.parts.database.transaction() as session:
        (await session.get_one(GatewayProcess, other.id)).ended_at = gateway.parts.clock.now()
    assert (await run(gateway, made)).json()["status"] == "succeeded"  # taken over
    await post(gateway, f"{PATH}/{made['id']}/pause")
    answer = await run(gateway, made)
    assert (answer.status_code, error_of(answer)["code"]) == (409, "agent_not_active")


async def test_run_without_money_is_decided_by_rules_and_costs_nothing(gateway: Gateway) -> None:
    made = await active(gateway, prediction={**PREDICTION, "when": "always"})
    found = (await run(gateway, made, max_cost="0")).json()
    assert (found["status"], found["error"]) == ("succeeded", "agent_budget_exhausted")
    assert (found["assessment"]["basis"], found["cost"]) == ("rules", "0.000000000")


async def test_call_that_fails_ends_the_run_and_not_the_agent(gateway: Gateway) -> None:
    model = {**PREDICTION, "model": "no-such-model", "when": "always"}
    made = await active(gateway, prediction=model)
    found = (await run(gateway, made)).json()
    assert (found["status"], found["error"]) == ("failed", "model_not_found")
    row = await stored(gateway, made)
    assert (row.status, row.process_id) == ("active", None)


async def test_agent_that_waits_for_the_call_is_refused_and_audited(gateway: Gateway) -> None:
    made = await active(gateway)
    path = f"{PATH}/{made['id']}/run"
    for chain, code in (
        (f"erp, {made['id']}", "agent_call_cycle"),
        (",".join(f"a{one}" for one in range(8)), "agent_chain_too_long"),
        ("a,,b", "agent_chain_invalid"),
    ):
        answer = await gateway.http.post(path, headers={CHAIN_HEADER: chain})
        assert error_of(answer)["code"] == code
    answer = await gateway.http.post(path, headers={CHAIN_HEADER: "erp,planner"})
    assert answer.json()["agent_chain"] == ["erp", "planner", made["id"]]
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
    refused = [one for one in entries if one.action == "agent.call_refused"]
    assert [one.details["code"] for one in refused if one.subject == made["id"]] == [
        "agent_chain_too_long",
        "agent_call_cycle",
    ]


async def test_agent_runs_only_so_often_in_an_hour(gateway: Gateway) -> None:
    made = await active(gateway)
    runs = gateway.parts.agents.skills.runs
    before = runs.per_hour
    object.__setattr__(runs, "per_hour", 1)
    try:
        await run(gateway, made)
        answer = await run(gateway, made)
    finally:
        object.__setattr__(runs, "per_hour", before)
    assert (answer.status_code, error_of(answer)["code"]) == (429, "agent_run_limit")


async def test_agents_created_at_once_stay_within_the_limit(gateway: Gateway) -> None:
    code, key = await asset(gateway), await new_key(gateway)
    parts = gateway.parts
    async with parts.database.transaction() as session:
        query = select(Agent).where(Agent.account_id == gateway.account.id)
        rows = (await session.scalars(query)).all()
    have = len([one for one in rows if one.status != "deleted"])

    async def make() -> bool:
        async with parts.database.transaction() as session:
            change = AgentChange(session, parts.clock, CLI_ACTOR, gateway.account.id)
            agent = definition(asset=code, rules=[rule(code)])
            await create_agent(change, key.row.id, agent, have + 2)
            return True

    made = await asyncio.gather(*(make() for _ in range(6)), return_exceptions=True)
    assert len([one for one in made if one is True]) == 2


async def test_commands_replay_through_the_gateway_and_run_there(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, settings = await active(gateway), gateway.parts.settings
    leave_logs_alone(monkeypatch)
    assert settings.database_url is not None
    environment = {
        "MAAS_DATABASE_URL": settings.database_url.get_secret_value(),
        "MAAS_DATA_DIR": str(tmp_path),
        "MAAS_API_KEY": gateway.key.secret,
    }
    agent = (ids.format_id("acct", gateway.account.id), made["id"])
    place = ("--max-cost", "0.01", "--url", gateway.url)
    code, out = await invoke(environment, "agents", "replay", *agent, *place, "--json")
    assert (code, json.loads(out)["predictions"]["made"]) == (0, 0), out
    code, out = await invoke(environment, "agents", "run", *agent)
    assert code == 0, out
    assert "Run ended." in out
    assert "inspect" in out
