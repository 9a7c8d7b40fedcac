"""Decisions of agents with known outcomes: false alarms near the limit, faults far beyond it."""

from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.learning.choosing import UsablePolicy, action_of
from gateway.agents.learning.features import feature_names, horizon_of
from gateway.agents.learning.limits import LIMIT as LIMIT_PREFIX
from gateway.agents.learning.policy_rows import (
    IN_SHADOW,
    POLICY,
    binding_of,
    usable_policy,
    with_status,
)
from gateway.agents.public_ids import TICK
from gateway.agents.store.agents import read_definition
from gateway.tables import (
    Agent,
    AgentDecision,
    AgentLearning,
    AgentLimit,
    AgentPolicy,
    AgentTick,
)
from gateway.tables.agents_learning import LimitStatus, PolicyStatus
from infra import ids
from models.policies.maintenance.policy import Action
from tests.support.builders import Gateway

LIMIT = 4.5


async def add_decisions(
    session: AsyncSession,
    agent: Agent,
    start: datetime,
    days: int,
    *,
    each: int = 2,
    known: bool = True,
    wrong: bool = False,
    action: str = "",
    value: float | None = None,
) -> list[UUID]:
    """Add ticks with a raised rule, `each` a day, and their outcomes if known.

    Readings lie 0 to 60 % beyond the limit; faults are those beyond 40 %. wrong: those
    below, so that what was learned costs money. Returns the ids of the ticks.
    """
    definition, random = read_definition(agent.definition), np.random.default_rng(days)
    active, shadow = await _policies(session, agent, definition)
    ticks, decisions = [], []
    allowed = (Action.WAIT, Action.INSPECT)
    for number in range(days * each):
        at = start + timedelta(days=number / each)
        beyond = round(float(random.uniform(0, 0.6)), 6) if value is None else value / LIMIT - 1
        features = dict.fromkeys(feature_names(definition), beyond)
        taken = action or action_of(active, features, allowed, Action.INSPECT).value
        beside = action_of(shadow, features, allowed, Action.INSPECT).value
        ticks.append(_tick(agent, at, LIMIT * (1 + beyond), taken))
        decisions.append(
            AgentDecision(
                tick_id=ticks[-1].id,
                account_id=agent.account_id,
                agent_id=agent.id,
                asset_id=agent.asset_id,
                decided_at=at,
                horizon_s=horizon_of(definition),
                features=features,
                allowed=[one.value for one in allowed],
                action=taken,
                reference="inspect",
                propensity=1.0,
                policy_id=None if active is None else active.id,
                shadow=None if shadow is None else beside,
                shadow_policy_id=None if shadow is None else shadow.id,
                fault=(beyond < 0.4 if wrong else beyond > 0.4) if known else None,
            )
        )
    for rows in (ticks, decisions):
        session.add_all(rows)
        await session.flush()
    values = {"agent_id": agent.id, "account_id": agent.account_id, "trained_known": 0,
              "known": 0, "waits_for": "", "attempts": 0}  # fmt: skip
    await session.execute(insert(AgentLearning).values(**values).on_conflict_do_nothing())
    return [one.id for one in ticks]


async def _policies(
    session: AsyncSession, agent: Agent, definition: AgentDefinition
) -> tuple[UsablePolicy | None, UsablePolicy | None]:
    query = select(AgentPolicy).where(col(AgentPolicy.agent_id) == agent.id)
    rows, binding = (await session.scalars(query)).all(), binding_of(agent, definition)
    found = [with_status(rows, PolicyStatus.ACTIVE), with_status(rows, *IN_SHADOW)]
    active, shadow = (None if one is None else usable_policy(one, binding) for one in found)
    return active, shadow


def _tick(agent: Agent, at: datetime, value: float, action: str) -> AgentTick:
    name = agent.definition["rules"][0]["name"]
    return AgentTick(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        version=agent.version,
        scheduled_at=at,
        finished_at=at,
        rules=[
            {
                "name": name,
                "status": "raised",
                "tag": name,
                "value": value,
                "limit": LIMIT,
                "unit": "mm/s",
                "time": at.isoformat(),
            }
        ],
        assessment={"action": action, "basis": "rules", "raised": [name]},
    )


async def add_learned(gateway: Gateway, made: dict[str, str]) -> dict[str, str]:
    """Give an agent a decision, a policy and a proposed limit; returns the ids beside its own."""
    agent_id, now = ids.parse_id("agent", made["agent"]), gateway.parts.clock.now()
    async with gateway.parts.database.transaction() as session:
        agent = await session.get_one(Agent, agent_id)
        (tick,) = await add_decisions(session, agent, now, 1, each=1)
        policy = AgentPolicy(
            id=ids.new_id(),
            account_id=agent.account_id,
            agent_id=agent.id,
            number=1,
            status=PolicyStatus.SHADOW,
            content=b"{}",
            sha256="",
            signature="",
            evidence={"replay": {"value": 12.5, "low": 3.0, "high": 20.0}},
            created_at=now,
            shadow_until=now + timedelta(days=3),
        )
        session.add(policy)
        limit = await add_limit(session, agent, now)
    return {
        **made,
        "tick": ids.format_id(TICK, tick),
        "policy": ids.format_id(POLICY, policy.id),
        "limit": limit,
    }


def claim_learning(session: AsyncSession, account_id: UUID, agent_id: UUID) -> None:
    """Add an agent's learning as another process's, so that a gateway's own runner leaves it."""
    session.add(
        AgentLearning(
            agent_id=agent_id,
            account_id=account_id,
            trained_known=0,
            known=0,
            waits_for="",
            attempts=0,
            process_id=ids.new_id(),
        )
    )


async def add_limit(session: AsyncSession, agent: Agent, at: datetime, rule: str = "") -> str:
    """Add a proposed limit of a rule, by default the first one; returns its id."""
    limit = AgentLimit(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        agent_version=agent.version,
        rule=rule or agent.definition["rules"][0]["name"],
        before=LIMIT,
        after=4.8,
        unit="mm/s",
        figures={"avoided": 5, "false_alarms": 6, "faults": 1},
        status=LimitStatus.PROPOSED,
        created_at=at,
    )
    session.add(limit)
    await session.flush()
    return ids.format_id(LIMIT_PREFIX, limit.id)
