"""What an agent's page says of learning: policies with their savings, steps, limits, feedback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.learning import Learning
from gateway.agents.learning.cycle import MIN_NEW
from gateway.agents.learning.limits import LIMIT, list_limits
from gateway.agents.learning.policy_rows import (
    IN_SHADOW,
    POLICY,
    binding_of,
    list_policies,
    usable_policy,
    with_status,
)
from gateway.agents.learning.steps import list_steps
from gateway.agents.store.agents import read_definition
from gateway.tables.agents import Agent, AgentTick
from gateway.tables.agents_learning import (
    AgentDecision,
    AgentFeedback,
    AgentLearning,
    AgentLimit,
    AgentPolicy,
    AgentPolicyStep,
    LimitStatus,
    PolicyStatus,
)
from infra import ids
from models.policies.learned.judgement import MIN_KNOWN, MIN_PERIODS

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PolicyView:
    """A policy with its savings per decision: on the history, in exploration and in shadow."""

    id: str
    row: AgentPolicy
    replay: Mapping[str, float] | None
    off_policy: Mapping[str, float] | None
    shadow: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class LearningView:
    """How an agent learns.

    is_active_usable: whether the active policy was learned for the asset and costs of now.
    compared, differing: decisions beside which the candidate decided.
    """

    settings: Learning
    known: int
    trained: int
    active: PolicyView | None
    is_active_usable: bool
    candidate: PolicyView | None
    compared: int
    differing: int
    policies: Sequence[PolicyView]
    steps: Sequence[AgentPolicyStep]
    limits: Sequence[tuple[str, AgentLimit]]
    min_known: int = MIN_KNOWN
    min_periods: int = MIN_PERIODS
    min_new: int = MIN_NEW


async def load_learning(session: AsyncSession, row: Agent) -> LearningView:
    """Load what the page says of an agent's learning."""
    policies = await list_policies(session, row.account_id, row.id)
    shadow, definition = with_status(policies, *IN_SHADOW), read_definition(row.definition)
    active = with_status(policies, PolicyStatus.ACTIVE)
    state = await session.get(AgentLearning, row.id)
    compared, differing = (0, 0) if shadow is None else await _count_shadow(session, row, shadow.id)
    limits = await list_limits(session, row.account_id, row.id, LimitStatus.PROPOSED)
    return LearningView(
        settings=definition.learning,
        known=0 if state is None else state.known,
        trained=0 if state is None else state.trained_known,
        active=_view(active),
        is_active_usable=active is not None
        and usable_policy(active, binding_of(row, definition)) is not None,
        candidate=_view(shadow),
        compared=compared,
        differing=differing,
        policies=[one for one in map(_view, policies[:_SHOWN]) if one is not None],
        steps=(await list_steps(session, row.account_id, row.id))[:_SHOWN],
        limits=[(ids.format_id(LIMIT, one.id), one) for one in limits],
    )


async def load_feedback(
    session: AsyncSession, account_id: UUID, ticks: Sequence[AgentTick]
) -> Mapping[UUID, AgentFeedback]:
    """Return the feedback on ticks, by tick."""
    query = select(AgentFeedback).where(
        col(AgentFeedback.account_id) == account_id,
        col(AgentFeedback.tick_id).in_([one.id for one in ticks]),
    )
    return {one.tick_id: one for one in (await session.scalars(query)).all()}


def _view(row: AgentPolicy | None) -> PolicyView | None:
    """Return a policy with its savings."""
    if row is None:
        return None
    evidence: Mapping[str, Any] = row.evidence
    return PolicyView(
        id=ids.format_id(POLICY, row.id),
        row=row,
        replay=evidence.get("replay"),
        off_policy=evidence.get("off_policy"),
        shadow=(evidence.get("shadow") or {}).get("saving"),
    )


async def _count_shadow(session: AsyncSession, row: Agent, policy_id: UUID) -> tuple[int, int]:
    """Return how many decisions a candidate was compared on, and in how many it differed."""
    differs = col(AgentDecision.shadow) != col(AgentDecision.action)
    query = select(func.count(), func.count().filter(differs)).where(
        col(AgentDecision.account_id) == row.account_id,
        col(AgentDecision.agent_id) == row.id,
        col(AgentDecision.shadow_policy_id) == policy_id,
    )
    compared, differing = (await session.execute(query)).one()
    return compared, differing
