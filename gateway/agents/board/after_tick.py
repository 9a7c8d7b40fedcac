"""What a monitor's tick does on the board, in the transaction of the tick: settle, announce.

A diagnosis is announced if the monitor would inspect or stop, the situation is new or its cooldown
is over, and the team has no open task about the asset.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.board.announcing import Announcement, announce, last_case_at
from gateway.agents.board.clock import database_now
from gateway.agents.board.contract_net.values import CaseContent
from gateway.agents.board.contract_net.verdicts import make_verdict
from gateway.agents.board.deciding import note
from gateway.agents.board.holds import settle_call
from gateway.agents.board.tick_hold import tick_key
from gateway.agents.definitions.board import BoardRole
from gateway.agents.public_ids import AGENT
from gateway.agents.running.tick import TickInput, TickOutcome
from gateway.tables.agents import Agent
from gateway.tables.agents_board import AgentTeam, AgentTeamMember, TaskKind
from infra import ids
from infra.clock import Clock
from models.policies.maintenance.policy import Action


async def after_tick(
    session: AsyncSession, clock: Clock, row: Agent, tick: TickInput, outcome: TickOutcome
) -> None:
    """Settle the tick's hold, note the decision, and announce a diagnosis where one is needed."""
    if tick.definition.board is None:
        return
    member = await session.get(AgentTeamMember, row.id)
    if member is None:
        return
    stated = outcome.cost_nano
    await settle_call(session, row.account_id, member.team_id, tick_key(tick.agent), stated)
    team = await lock_team(session, member)
    now, decision = await database_now(session), outcome.assessment.action
    if await note(session, clock, team, row, row.asset_id, decision.value, now):
        return
    if decision is Action.WAIT:
        return
    last = await last_case_at(session, team, row.asset_id)
    if not may_announce(outcome.plan.tells, last, tick.definition.cooldown_s, now):
        return
    step = tick.definition.prediction
    verdict = make_verdict(row, BoardRole.MONITOR, outcome.assessment, step, outcome.predicted)
    announced = Announcement(
        kind=TaskKind.DIAGNOSE,
        asset_id=row.asset_id,
        announced_by=row.id,
        key=f"{ids.format_id(AGENT, row.id)}:{row.version}:{row.due_at.isoformat()}",
        content=CaseContent(verdicts=(verdict,)),
    )
    await announce(session, team, announced, now)


def may_announce(is_news: bool, last: datetime | None, cooldown_s: float, now: datetime) -> bool:
    """Return whether a diagnosis may be announced; a case of the future is of a clock set back."""
    if last is None or is_news or last > now:
        return True
    return now - last >= timedelta(seconds=cooldown_s)


async def lock_team(session: AsyncSession, member: AgentTeamMember) -> AgentTeam:
    """Lock and return the team of a member."""
    query = (
        select(AgentTeam)
        .where(col(AgentTeam.account_id) == member.account_id, col(AgentTeam.id) == member.team_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(query)).one()
