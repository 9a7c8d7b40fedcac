"""A team with a task that waits for a person, for tests of the command line and of pages."""

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.board.announcing import Announcement, announce, announce_next
from gateway.agents.board.clock import database_now
from gateway.agents.board.contract_net.values import TASK, TEAM, CaseContent, TaskCode, Verdict
from gateway.agents.board.ending import wait_for_person
from gateway.agents.board.tasks import close
from gateway.agents.board.team_fields import read_team
from gateway.agents.board.teams import create_team
from gateway.agents.public_ids import AGENT
from gateway.agents.store.agents import AgentChange
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables import Agent, AgentTask
from gateway.tables.agents_board import TaskKind, TaskStatus
from infra import ids
from infra.clock import Clock

TEAM_NAME = "Mills"


def verdict(agent: Agent, role: str, probability: float, action: str) -> Verdict:
    """Return a verdict of an agent over two days."""
    return Verdict(
        agent=ids.format_id(AGENT, agent.id),
        name=agent.name,
        role=role,
        version=1,
        action=action,
        probability=probability,
        failures=(probability / 2, probability / 2),
        horizon=2,
    )


async def add_waiting_task(session: AsyncSession, clock: Clock, agent: Agent) -> dict[str, str]:
    """Create a team, and a review about the agent's asset that waits; returns both ids."""
    change = AgentChange(session, clock, CLI_ACTOR, agent.account_id)
    number = ids.new_id().hex
    team = await create_team(change, read_team({"name": f"{TEAM_NAME} {number}"}))
    now = await database_now(session)
    verdicts = (
        verdict(agent, "monitor", 0.8, "stop"),
        verdict(agent, "diagnostician", 0.1, "wait"),
    )
    content = CaseContent(verdicts=verdicts)
    first = Announcement(TaskKind.DIAGNOSE, agent.asset_id, agent.id, number, content)
    diagnose = await session.get_one(AgentTask, await announce(session, team, first, now))
    close(diagnose, TaskStatus.DONE, now)
    review = await announce_next(session, team, diagnose, TaskKind.REVIEW, content, now)
    task = await session.get_one(AgentTask, review)
    await wait_for_person(session, clock, team, task, TaskCode.CONFLICT, now)
    return {"team": ids.format_id(TEAM, team.id), "task": ids.format_id(TASK, task.id)}
