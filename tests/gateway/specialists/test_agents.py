"""Agents from readings to actions: real specialist, real database, each tick exactly once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from gateway.agents.actions.deciding import approve, list_actions, undo
from gateway.agents.running.recording import TickRecorder
from gateway.agents.store.agents import AgentChange, change_definition
from gateway.agents.store.days import list_days
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables import Agent, AgentAction, AgentTick
from infra import ids
from infra.clock import SystemClock
from tests.support.builders import Gateway
from tests.support.gateway.agent_api import PATH, client, new_key
from tests.support.gateway.agents import definition
from tests.support.gateway.milling import (
    MILL_AGENT,
    MILL_PREDICTION,
    machine,
    post,
    send,
    start,
    ticked,
)


async def ticks_and_actions(
    gateway: Gateway, agent_id: UUID
) -> tuple[list[AgentTick], list[AgentAction]]:
    async with gateway.parts.database.transaction() as session:
        account = gateway.account.id
        ticks = select(AgentTick).where(
            col(AgentTick.account_id) == account, col(AgentTick.agent_id) == agent_id
        )
        actions = await list_actions(session, account, 10, None, agent_id)
        return list((await session.scalars(ticks)).all()), list(actions)


async def test_agent_predicts_only_when_a_rule_was_raised_and_proposes_a_work_order(
    real: Gateway,
) -> None:
    await machine(real, torque=65.0)
    agent = await ticked(real, await start(real, autonomy="approve"))
    ticks, actions = await ticks_and_actions(real, agent.id)
    assert [tick.assessment["basis"] for tick in ticks] == ["prediction"]
    assert ticks[0].assessment["failure_probability"] > 0.9
    assert ticks[0].assessment["action"] == "stop"
    assert [(one.kind, one.status) for one in actions] == [("work_order", "proposed")]
    row = (await real.rows(2))[0]
    assert (row["operation"], row["settlement"]) == ("predictions", "complete")
    assert agent.spent_day_nano == ticks[0].cost_nano > 0
    verdicts = (await real.http.get("/v1/plant/assets/M1/verdicts")).json()["data"]
    assert len(verdicts) == 1


async def test_prediction_of_an_agent_is_in_the_ledger_with_its_version(real: Gateway) -> None:
    await machine(real, torque=65.0)
    agent = await ticked(real, await start(real, autonomy="advise"))
    (record,) = (await real.http.get("/v1/predictions/records")).json()["data"]
    assert (record["subject"], record["event"], record["verdict"]) == (
        "M1",
        "machine_failure",
        "yes",
    )
    assert record["agent"] == {"id": ids.format_id("agent", agent.id), "version": "1"}
    assert record["basis"]["source"] == "agent"
    checked = (await real.http.get("/v1/predictions/verification")).json()
    assert checked["valid"] is True


async def test_agent_of_the_tool_wear_template_predicts_and_proposes_over_the_api(
    real: Gateway,
) -> None:
    await machine(real, torque=65.0)
    wear = {"name": "tool wear", "tag": "M1.WEAR", "above": 150, "unit": "min"}
    body = {"template": "tool-wear-planner", "asset": "M1", "name": "Tool of mill 1"}
    made = await real.http.post("/v1/agents", json={**body, "overrides": {"rules": [wear]}})
    assert (made.status_code, made.json()["warnings"]) == (200, []), made.text
    path = f"/v1/agents/{made.json()['id']}"
    agent_id = ids.parse_id("agent", made.json()["id"])
    await post(real, f"{path}/activate", {})
    async with real.parts.database.transaction() as session:
        agent = await session.get_one(Agent, agent_id)
    await ticked(real, agent)
    (tick,) = (await real.http.get(f"{path}/ticks")).json()["data"]
    assert (tick["error"], tick["assessment"]["basis"]) == (None, "prediction")
    assert set(tick["assessment"]["costs"]) == {"wait", "inspect", "stop"}
    row = (await real.rows(2))[0]
    assert (tick["request_id"], tick["cost"]) == (row["request_id"], row["cost"])
    (day,) = (await real.http.get(f"{path}/days")).json()["data"]
    assert (day["ticks"], day["predictions"], day["cost"]) == (1, 1, tick["cost"])
    proposed = (await real.http.get("/v1/agents/actions?status=proposed")).json()["data"]
    assert [one["kind"] for one in proposed] == ["work_order"]


async def test_quiet_agent_calls_nothing_and_leaves_a_count_only(real: Gateway) -> None:
    await machine(real, torque=30.0)
    agent = await ticked(real, await start(real, autonomy="approve"))
    assert await ticks_and_actions(real, agent.id) == ([], [])
    await real.rows(1)
    async with real.parts.database.transaction() as session:
        today = SystemClock().now().date()
        days = await list_days(session, real.account.id, agent.id, today - timedelta(days=1), today)
    assert [(day.ticks, day.predictions) for day in days] == [(1, 0)]


async def test_approved_order_is_on_the_asset_and_undone_with_its_relation(real: Gateway) -> None:
    await machine(real, torque=65.0)
    agent = await ticked(real, await start(real, autonomy="approve"))
    _, (proposed,) = await ticks_and_actions(real, agent.id)
    public_id = ids.format_id("act", proposed.id)
    for _ in range(2):
        async with real.parts.database.transaction() as session:
            change = AgentChange(session, SystemClock(), CLI_ACTOR, real.account.id)
            await approve(change, public_id)
    orders = (await real.http.get("/v1/plant/entities?kind=work_order")).json()["data"]
    assert len(orders) == 1
    async with real.parts.database.transaction() as session:
        change = AgentChange(session, SystemClock(), CLI_ACTOR, real.account.id)
        assert (await undo(change, public_id)).status == "undone"
    assert (await real.http.get("/v1/plant/entities?kind=work_order")).json()["data"] == []


async def test_agent_without_budget_decides_by_its_rules(real: Gateway) -> None:
    await machine(real, torque=65.0)
    nothing = {"per_tick": "0", "per_day": "0", "per_month": "0"}
    agent = await ticked(real, await start(real, budget=nothing))
    (tick,), _ = await ticks_and_actions(real, agent.id)
    assert (tick.error, tick.assessment["action"]) == ("agent_budget_exhausted", "inspect")
    await real.rows(1)


async def test_tick_of_an_agent_that_was_changed_meanwhile_acts_on_nothing(real: Gateway) -> None:
    await machine(real, torque=65.0)
    runner = real.parts.agent_runner
    await runner.stop()
    agent = await start(real, autonomy="act")
    process_id = real.parts.heartbeat.process_id
    async with real.parts.database.transaction() as session:
        row = await session.get_one(Agent, agent.id)
        row.process_id = process_id
    ticks = await runner.observed([await claimed(real, agent)])
    async with real.parts.database.transaction() as session:
        change = AgentChange(session, SystemClock(), CLI_ACTOR, real.account.id)
        changed = definition(**{**MILL_AGENT, "autonomy": "act", "name": "Changed"})
        await change_definition(change, ids.format_id("agent", agent.id), changed)
    await runner.run_one(ticks[0], process_id)
    assert await ticks_and_actions(real, agent.id) == ([], [])
    row = await claimed(real, agent)
    assert (row.version, row.process_id, row.ticked_at) == (2, None, None)
    assert row.spent_day_nano > 0


async def claimed(gateway: Gateway, agent: Agent) -> Agent:
    async with gateway.parts.database.transaction() as session:
        return await session.get_one(Agent, agent.id, populate_existing=True)


async def test_repeated_tick_is_billed_and_acted_on_once(real: Gateway) -> None:
    await machine(real, torque=65.0)
    runner = real.parts.agent_runner
    await runner.stop()
    agent = await start(real, autonomy="act")
    process_id = real.parts.heartbeat.process_id
    for _ in range(2):
        async with real.parts.database.transaction() as session:
            row = await session.get_one(Agent, agent.id, populate_existing=True)
            row.process_id, row.due_at = process_id, agent.due_at
        (tick,) = await runner.observed([await claimed(real, agent)])
        outcome = await runner.decided(tick)
    assert outcome is not None
    await runner.run_one(tick, process_id)
    await runner.run_one(tick, process_id)
    ticks, actions = await ticks_and_actions(real, agent.id)
    assert (len(ticks), len(actions)) == (1, 1)
    assert ticks[0].cost_nano == (await claimed(real, agent)).spent_day_nano > 0
    billed = [row for row in await real.rows(5) if row["settlement"] == "complete"]
    assert sorted(row["operation"] for row in billed) == ["predictions", "readings"]


async def test_agent_whose_key_was_revoked_is_stopped(real: Gateway) -> None:
    await machine(real, torque=65.0)
    agent = await start(real, prediction={**MILL_PREDICTION, "model": "no-such-model"})
    stopped = await ticked(real, agent)
    assert (stopped.status, stopped.stop_code) == ("stopped", "model_not_found")
    assert stopped.process_id is None


async def killed(*_: Any) -> None:
    """The process ends between the call and its record."""
    raise asyncio.CancelledError


async def test_run_that_another_process_takes_over_is_billed_and_acted_on_once(
    real: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await machine(real, torque=40.0)
    agent = await ticked(real, await start(real, autonomy="act", every="31d"))
    runner = real.parts.agent_runner
    await runner.stop()
    await send(real, torque=65.0)
    path = f"{PATH}/{ids.format_id('agent', agent.id)}"
    key = await new_key(real)
    async with client(real, key.secret) as http:
        headers = {"idempotency-key": "night", "x-max-cost": "1"}
        ask: Any = {"json": {"wait_s": 0}, "headers": headers}
        answer = await http.post(f"{path}/run", **ask)
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        with monkeypatch.context() as patched:
            patched.setattr(TickRecorder, "record", killed)
            with pytest.raises(asyncio.CancelledError):
                await runner.run_due()
        assert (await http.post(f"{path}/run", **ask)).json()["status"] == "running"
        while await runner.run_due():
            pass
        done = (await http.post(f"{path}/run", **ask)).json()
    assert (done["status"], done["assessment"]["basis"]) == ("succeeded", "prediction")
    assert float(done["cost"]) > 0
    actions = (await real.http.get(f"{PATH}/actions")).json()["data"]
    assert [one["status"] for one in actions] == ["executed"]
    billed = [row for row in await real.rows(4) if row["operation"] == "predictions"]
    assert [row["settlement"] for row in billed].count("complete") == 1
    assert {row["key_id"] for row in billed} == {ids.format_id("key", key.row.id)}
