"""A pump with points and readings, and agents that watch it, for tests of pages."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import select

from gateway.agents.actions.creation import create_action
from gateway.agents.assessment import assess_rules
from gateway.agents.definitions.values import ActionKind
from gateway.agents.planning import PlannedAction
from gateway.agents.public_ids import ACTION, AGENT
from gateway.agents.rules import RuleResult, RuleStatus
from gateway.agents.store.agents import (
    AgentChange,
    create_agent,
    read_definition,
    set_status,
)
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables.agents import Agent, AgentStatus, AgentTick
from infra import ids
from tests.support.builders import Gateway
from tests.support.gateway.agents import definition
from tests.support.gateway.board_rows import add_waiting_task

PUMP, VIBRATION_TAG = "P-101", "P-101.V"
_ASSETS = "asset,asset name,level,parent\nS1,Works,site,\nP-101,Feed pump 1,equipment,S1\n"
_TAGS = (
    "tag,unit,asset\nP-101.V,mm/s,P-101\nP-101.T,degC,P-101\nP-101.P,bar,P-101\n"
    "P-101.T2,degC,P-101\n"
)
RULE = {"name": "vibration", "tag": VIBRATION_TAG, "above": 4.5, "unit": "mm/s"}


async def import_pump(gateway: Gateway) -> None:
    """Import a site with one pump and four points."""
    for text in (_ASSETS, _TAGS):
        files = {"file": ("plant.csv", text.encode())}
        shown = await gateway.http.post("/v1/plant/imports", files=files)
        assert shown.status_code == 200, shown.text
        path = f"/v1/plant/imports/{shown.json()['id']}/confirm"
        assert (await gateway.http.post(path)).status_code == 200


async def read(gateway: Gateway, value: float, tag: str = VIBRATION_TAG) -> None:
    """Send one reading of now."""
    body = {"readings": [{"tag": tag, "time": datetime.now(UTC).isoformat(), "value": value}]}
    answer = await gateway.http.post("/v1/plant/readings", json=body)
    assert answer.status_code == 200, answer.text


async def add_agent(
    gateway: Gateway, status: AgentStatus = AgentStatus.PAUSED, **fields: Any
) -> str:
    """Create an agent of the pump, changed by `fields` of the document; returns its id."""
    base = {"asset": PUMP, "autonomy": "approve", "actions": ["work_order"], "rules": [RULE]}
    agent = definition(**{**base, **fields})
    async with gateway.parts.database.transaction() as session:
        change = AgentChange(session, gateway.parts.clock, CLI_ACTOR, gateway.account.id)
        row = await create_agent(change, gateway.key.row.id, agent, 10)
        public_id = ids.format_id(AGENT, row.id)
        await set_status(change, public_id, status)
    return public_id


async def add_proposal(gateway: Gateway, asset: str) -> dict[str, str]:
    """Create a paused agent of an asset with a decision and a proposal; returns the ids of both."""
    agent = await add_agent(gateway, asset=asset)
    row, now = await agent_row(gateway, agent), gateway.parts.clock.now()
    results = [RuleResult(name="vibration", status=RuleStatus.NO_POINT)]
    tick = AgentTick(
        id=ids.new_id(),
        account_id=row.account_id,
        agent_id=row.id,
        version=1,
        scheduled_at=now,
        finished_at=now,
        rules=msgspec.to_builtins(results),
        assessment=msgspec.to_builtins(assess_rules(results)),
    )
    planned = PlannedAction(kind=ActionKind.WORK_ORDER, needs_approval=True, due_in_s=0.0)
    async with gateway.parts.database.transaction() as session:
        session.add(tick)
        await session.flush()
        agreed = read_definition(row.definition)
        action = await create_action(session, gateway.parts.clock, row, tick, agreed, planned)
        return {"agent": agent, "action": ids.format_id(ACTION, action.id)}


async def add_board(gateway: Gateway, agent: str) -> dict[str, str]:
    """Create a team, and a task about the agent's asset that waits; returns the ids of both."""
    async with gateway.parts.database.transaction() as session:
        row = await session.get_one(Agent, ids.parse_id(AGENT, agent))
        return await add_waiting_task(session, gateway.parts.clock, row)


async def run_agents(gateway: Gateway) -> None:
    """Run due agents until each active one has ticked."""
    for _ in range(100):
        await gateway.parts.agent_runner.run_due()
        async with gateway.parts.database.transaction() as session:
            rows = (await session.scalars(select(Agent))).all()
        waiting = [one for one in rows if one.status == AgentStatus.ACTIVE and not one.ticked_at]
        if not waiting:
            return
    raise AssertionError("an agent did not tick")


async def agent_row(gateway: Gateway, agent: str) -> Agent:
    """Return the row of an agent."""
    agent_id = ids.parse_id(AGENT, agent)
    assert isinstance(agent_id, UUID)
    async with gateway.parts.database.transaction() as session:
        return await session.get_one(Agent, agent_id)
