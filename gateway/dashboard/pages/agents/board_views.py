"""What the pages of the task board show: teams with money, tasks with names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.board.contract_net.values import TASK, TEAM
from gateway.agents.board.holds import spending
from gateway.dashboard.pages.agents.common import AGENTS_URL, agent_url
from gateway.plant.store.node_names import load_names
from gateway.tables.agents import Agent
from gateway.tables.agents_board import AgentTask, AgentTaskEvent, AgentTeam, TaskStatus
from infra import ids

BOARD_URL = f"{AGENTS_URL}/board"


@dataclass(frozen=True, slots=True)
class BoardNames:
    """Names of agents, assets and teams by id."""

    agents: Mapping[UUID, str]
    assets: Mapping[UUID, str]
    teams: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team with what it spent in the day and month in UTC, and what running calls may cost."""

    row: AgentTeam
    url: str
    day_nano: int
    month_nano: int
    held_nano: int


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task with names. reason: figures in the page's own words are made by the template."""

    row: AgentTask
    url: str
    asset: str
    team: str
    holder: str
    holder_url: str
    announcer: str

    @property
    def waits(self) -> bool:
        """Whether a person must answer it."""
        return self.row.status == TaskStatus.WAITING

    @property
    def verdicts(self) -> Sequence[Mapping[str, Any]]:
        """The verdicts that it rests on."""
        found: Sequence[Mapping[str, Any]] = self.row.content.get("verdicts", ())
        return found


def team_url(team_id: UUID) -> str:
    """Return the address of a team's page."""
    return f"{BOARD_URL}/teams/{ids.format_id(TEAM, team_id)}"


def task_url(task_id: UUID) -> str:
    """Return the address of a task's page."""
    return f"{BOARD_URL}/tasks/{ids.format_id(TASK, task_id)}"


def team_view(row: AgentTeam, held_nano: int, now: datetime) -> TeamView:
    """Return a team with what it spent."""
    spent = spending(row, now)
    return TeamView(row, team_url(row.id), spent.day_nano, spent.month_nano, held_nano)


def task_view(row: AgentTask, names: BoardNames) -> TaskView:
    """Return a task with names."""
    holder = row.holder_id
    return TaskView(
        row=row,
        url=task_url(row.id),
        asset=names.assets.get(row.asset_id, ""),
        team=names.teams.get(row.team_id, ""),
        holder="" if holder is None else names.agents.get(holder, ""),
        holder_url="" if holder is None else agent_url(holder),
        announcer=names.agents.get(row.announced_by, ""),
    )


async def load_board_names(
    session: AsyncSession,
    account_id: UUID,
    tasks: Sequence[AgentTask],
    events: Sequence[AgentTaskEvent] = (),
) -> BoardNames:
    """Return the names that tasks and events need."""
    agents = {one.holder_id for one in tasks} | {one.announced_by for one in tasks}
    agents |= {one.agent_id for one in events}
    wanted = [one for one in agents if one is not None]
    of_agents = select(Agent.id, Agent.name).where(
        col(Agent.account_id) == account_id, col(Agent.id).in_(wanted)
    )
    of_teams = select(AgentTeam.id, AgentTeam.name).where(
        col(AgentTeam.account_id) == account_id,
        col(AgentTeam.id).in_({one.team_id for one in tasks}),
    )
    return BoardNames(
        {one: name for one, name in (await session.execute(of_agents)).all()},
        await load_names(session, account_id, [one.asset_id for one in tasks]),
        {one: name for one, name in (await session.execute(of_teams)).all()},
    )
