"""Execute a plan: the actions that the executor may take, or propose, about the task's asset."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.actions.creation import create_action
from gateway.agents.board.contract_net.values import read_content
from gateway.agents.board.ending import asset_code
from gateway.agents.definitions.values import ActionKind, AgentDefinition, Autonomy
from gateway.agents.planning import PlannedAction
from gateway.agents.public_ids import ACTION
from gateway.plant.assets.ids import ASSET
from gateway.tables.agents import Agent, AgentAction, AgentTick
from gateway.tables.agents_board import AgentTask
from infra import ids
from infra.clock import Clock


async def execute_plan(
    session: AsyncSession, clock: Clock, agent: Agent, task: AgentTask,
    definition: AgentDefinition, now: datetime,
) -> dict[str, Any]:  # fmt: skip
    """Create the actions of a task's plan and return what was done.

    `skipped` lists kinds that the executor may not take, or took about the asset within its
    cooldown.
    """
    plan = read_content(task.content).plan or {}
    code = await asset_code(session, task.account_id, task.asset_id)
    about = msgspec.structs.replace(definition, asset=code)
    wanted = [ActionKind(kind) for kind in plan.get("kinds", ())]
    done, skipped, tick = [], [], _tick(agent, task, plan, now)
    session.add(tick)
    await session.flush()
    for kind in wanted:
        is_allowed = kind in definition.actions
        if not is_allowed or await _is_cooling(session, agent, task, kind, definition, now):
            skipped.append(kind.value)
            continue
        planned = PlannedAction(
            kind=kind,
            needs_approval=definition.autonomy is not Autonomy.ACT,
            due_in_s=plan.get("stop_in_s") or 0.0,
        )
        action = await create_action(session, clock, agent, tick, about, planned, task.asset_id)
        done.append({"id": ids.format_id(ACTION, action.id), "kind": kind.value,
                     "status": action.status})  # fmt: skip
    return {"actions": done, "skipped": skipped}


def _tick(agent: Agent, task: AgentTask, plan: dict[str, Any], now: datetime) -> AgentTick:
    """Return the tick under which the agent's page shows what it did for a task."""
    return AgentTick(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        version=agent.version,
        scheduled_at=now,
        finished_at=now,
        rules=[],
        assessment={name: value for name, value in plan.items() if name != "kinds"},
    )


async def _is_cooling(
    session: AsyncSession, agent: Agent, task: AgentTask, kind: ActionKind,
    definition: AgentDefinition, now: datetime,
) -> bool:  # fmt: skip
    """Return whether the agent acted so about the asset within its cooldown."""
    query = select(col(AgentAction.id)).where(
        col(AgentAction.account_id) == agent.account_id,
        col(AgentAction.agent_id) == agent.id,
        col(AgentAction.kind) == kind.value,
        col(AgentAction.content)["asset_id"].astext == ids.format_id(ASSET, task.asset_id),
        col(AgentAction.created_at) > now - timedelta(seconds=definition.cooldown_s),
        col(AgentAction.created_at) <= now,
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None
