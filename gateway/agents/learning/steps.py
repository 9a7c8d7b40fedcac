"""Record a step of a policy: a row with its figures, an audit event, and a notice."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.notifications.agent_learning_alerts import LearningAlert, enqueue_learning_alert
from gateway.agents.learning.policy_rows import POLICY
from gateway.agents.public_ids import AGENT
from gateway.agents.store.agents import AgentChange
from gateway.tables.agents import Agent
from gateway.tables.agents_learning import AgentPolicy, AgentPolicyStep
from infra import ids
from models.observed.resampling import ScoreInterval

TRAINED, REJECTED, READY, PROMOTED, ROLLED_BACK, IMPORTED, TRANSFERRED = (
    "trained", "rejected", "ready", "promoted", "rolled_back", "imported", "transferred",
)  # fmt: skip
_MAX_STEPS = 50


async def record_step(
    change: AgentChange,
    agent: Agent,
    policy: AgentPolicy,
    step: str,
    figures: Mapping[str, Any],
) -> None:
    """Record a step in the transaction of the change."""
    row = AgentPolicyStep(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        policy_id=policy.id,
        step=step,
        figures=dict(figures),
        decided_by=change.actor.public_id,
        created_at=change.clock.now(),
    )
    change.session.add(row)
    await change.session.flush()
    public_id = ids.format_id(POLICY, policy.id)
    await change.record(f"agent.policy_{step}", agent, {"policy": public_id})
    alert = LearningAlert(
        account_id=agent.account_id,
        agent=ids.format_id(AGENT, agent.id),
        name=agent.name,
        asset=agent.definition["asset"],
        key=str(row.id),
        kind=f"policy_{step}",
        data={"policy": public_id, "number": policy.number, "figures": row.figures},
    )
    await enqueue_learning_alert(change.session, change.clock, alert)


async def list_steps(
    session: AsyncSession, account_id: UUID, agent_id: UUID
) -> list[AgentPolicyStep]:
    """Return the newest steps of an agent's policies."""
    query = (
        select(AgentPolicyStep)
        .where(
            col(AgentPolicyStep.account_id) == account_id, col(AgentPolicyStep.agent_id) == agent_id
        )
        .order_by(col(AgentPolicyStep.id).desc())
        .limit(_MAX_STEPS)
    )
    return list((await session.scalars(query)).all())


def interval_json(interval: ScoreInterval | None) -> dict[str, float] | None:
    """Return an interval for storing; bounds that are not known are left out."""
    if interval is None:
        return None
    return {name: round(value, 4) for name, value in asdict(interval).items() if abs(value) < 1e300}


def read_interval(stored: Mapping[str, float] | None) -> ScoreInterval | None:
    """Return a stored interval; missing bounds are infinite."""
    if stored is None:
        return None
    return ScoreInterval(
        stored["value"], stored.get("low", -float("inf")), stored.get("high", float("inf"))
    )
