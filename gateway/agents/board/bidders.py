"""The members of a team as bidders: definition, path of the asset, own budget left, and load."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.board.contract_net.bidding import Bidder, TaskNeeds
from gateway.agents.board.contract_net.planning import wanted_names
from gateway.agents.board.contract_net.values import read_content, verdict_agents
from gateway.agents.board.membership import list_members
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.public_ids import AGENT
from gateway.agents.state import Spending
from gateway.agents.store.agents import read_definition
from gateway.tables.agents import Agent
from gateway.tables.agents_board import AgentTask, AgentTeam, TaskKind, TaskStatus
from infra import ids

Paths = Mapping[UUID, tuple[UUID, ...]]
_PATHS = text("""
    with recursive way(root, id, parent_id, depth) as (
        select id, id, parent_id, 0 from plant_asset
        where id = any(:asset_ids) and account_id = :account_id
        union all
        select way.root, upper.id, upper.parent_id, way.depth + 1 from plant_asset upper
        join way on upper.id = way.parent_id
        where upper.account_id = :account_id and way.depth < 16
    )
    select root, array_agg(id order by depth desc) from way group by root
""")


async def load_bidders(
    session: AsyncSession, team: AgentTeam, now: datetime
) -> tuple[list[Bidder], dict[UUID, Agent]]:
    """Return the active members of a team as bidders, and their agents by id."""
    found = await list_members(session, team.account_id, team.id, is_active=True)
    paths = await load_paths(session, team.account_id, {agent.asset_id for _, agent in found})
    loads = await _loads(session, team)
    bidders = [
        _bidder(member.role, agent, paths.get(agent.asset_id, ()), loads.get(agent.id, 0), now)
        for member, agent in found
    ]
    return bidders, {agent.id: agent for _, agent in found}


async def load_paths(session: AsyncSession, account_id: UUID, asset_ids: Collection[UUID]) -> Paths:
    """Return the path of each asset: its ancestors and itself, the root first."""
    parameters = {"account_id": account_id, "asset_ids": list(asset_ids)}
    rows = (await session.execute(_PATHS, parameters)).all()
    return {root: tuple(path) for root, path in rows}


def needs_of(task: AgentTask, path: Sequence[UUID]) -> TaskNeeds:
    """Return what a task needs of a bidder."""
    content = read_content(task.content)
    given = verdict_agents(content.verdicts) if task.kind == TaskKind.REVIEW else frozenset()
    excluded = {ids.parse_id(AGENT, one) for one in given} - {None}
    return TaskNeeds(
        kind=TaskKind(task.kind),
        path=tuple(path),
        actions=wanted_names(content.plan),
        excluded=frozenset(one for one in excluded if one is not None),
    )


def _bidder(role: str, agent: Agent, path: tuple[UUID, ...], load: int, now: datetime) -> Bidder:
    """Return a member as a bidder."""
    definition = read_definition(agent.definition)
    return Bidder(
        agent_id=agent.id,
        role=role,
        version=agent.version,
        predicts=definition.prediction is not None,
        kinds=frozenset(kind.value for kind in definition.actions),
        path=path,
        budget_left=_budget_left(agent, definition, now),
        load=load,
    )


def _budget_left(agent: Agent, definition: AgentDefinition, now: datetime) -> float:
    """Return the share of the agent's own budget of the day that is left, 0 if none of a month."""
    spent = Spending(agent.spent_day, agent.spent_day_nano, agent.spent_month_nano)
    of_today, budget = spent.at(now.date()), definition.budget
    if budget.per_day_nano <= 0 or of_today.month_nano >= budget.per_month_nano:
        return 0.0
    return max(0.0, 1 - of_today.day_nano / budget.per_day_nano)


async def _loads(session: AsyncSession, team: AgentTeam) -> dict[UUID, int]:
    """Return how many tasks the members of a team hold."""
    query = (
        select(AgentTask.holder_id, func.count())
        .where(
            col(AgentTask.account_id) == team.account_id,
            col(AgentTask.team_id) == team.id,
            col(AgentTask.status) == TaskStatus.HELD,
        )
        .group_by(col(AgentTask.holder_id))
    )
    found = (await session.execute(query)).all()
    return {holder: count for holder, count in found if holder is not None}
