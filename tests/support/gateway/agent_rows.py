"""Rows of agents that tests read: a tick with a proposed action."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.actions.creation import create_action
from gateway.agents.definitions.values import ActionKind
from gateway.agents.planning import PlannedAction
from gateway.agents.store.agents import read_definition
from gateway.tables import Agent, AgentTick
from infra import ids
from infra.clock import Clock


async def add_proposal(
    session: AsyncSession, clock: Clock, agent: Agent, hours_ago: int = 0
) -> str:
    """Add a tick in which an agent proposes a work order; returns the id of the action."""
    tick = AgentTick(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        version=agent.version,
        scheduled_at=clock.now() - timedelta(hours=hours_ago),
        finished_at=clock.now(),
        rules=[{"name": "vibration", "status": "raised"}],
        assessment={"action": "inspect", "basis": "rules"},
        request_id=ids.new_id(),
        cost_nano=2_500_000,
    )
    session.add(tick)
    await session.flush()
    planned = PlannedAction(kind=ActionKind.WORK_ORDER, needs_approval=True, due_in_s=0)
    definition = read_definition(agent.definition)
    row = await create_action(session, clock, agent, tick, definition, planned)
    return ids.format_id("act", row.id)


async def add_recommendation(
    session: AsyncSession, agent: Agent, at: datetime, raised: tuple[str, ...] = ("vibration",)
) -> AgentTick:
    """Add a tick that recommends an inspection by a prediction: waiting costs 1829, it 690."""
    tick = AgentTick(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        version=agent.version,
        scheduled_at=at,
        finished_at=at,
        rules=[{"name": "vibration", "status": "raised"}],
        assessment={
            "action": "inspect",
            "basis": "prediction",
            "raised": list(raised),
            "costs": {"wait": 1829.0, "inspect": 690.0, "stop": 1500.0},
        },
        cost_nano=1_000_000,
    )
    session.add(tick)
    await session.flush()
    return tick
