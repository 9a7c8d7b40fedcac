"""Log a decision in the transaction of its tick, and queue the agent for learning."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.learning.choosing import Choice
from gateway.agents.learning.features import horizon_of
from gateway.tables.agents import Agent, AgentTick
from gateway.tables.agents_learning import AgentDecision, AgentLearning


async def log_decision(
    session: AsyncSession,
    agent: Agent,
    tick: AgentTick,
    definition: AgentDefinition,
    choice: Choice | None,
) -> None:
    """Log what can be learned from a tick; nothing for an agent that does not learn."""
    if choice is None:
        return
    session.add(
        AgentDecision(
            tick_id=tick.id,
            account_id=agent.account_id,
            agent_id=agent.id,
            asset_id=agent.asset_id,
            decided_at=tick.finished_at,
            horizon_s=horizon_of(definition),
            features=dict(choice.features),
            allowed=[one.value for one in choice.allowed],
            action=choice.action.value,
            reference=choice.reference.value,
            propensity=choice.propensity,
            policy_id=choice.policy_id,
            shadow=None if choice.shadow is None else choice.shadow.value,
            shadow_policy_id=choice.shadow_policy_id,
        )
    )
    values = {"agent_id": agent.id, "account_id": agent.account_id, "trained_known": 0,
              "known": 0, "waits_for": "", "attempts": 0}  # fmt: skip
    await session.execute(insert(AgentLearning).values(**values).on_conflict_do_nothing())
