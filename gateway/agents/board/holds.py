"""The budget of a team as holds: what running calls may cost is set aside under the team's lock.

    reserve -> call, for the amount of the hold at most -> settle with the cost that was billed

A hold has the idempotency key of its call. If the process of the call is lost, the next one finds
by that key what was billed, so that the cost of a lost call counts too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import KeptAnswer, Usage
from gateway.agents.board.clock import database_now
from gateway.agents.state import Spending
from gateway.tables.agents_board import OPEN_STATUSES, AgentHold, AgentTask, AgentTeam

# A hold that nobody settled after this time belongs to a call that was lost.
_MAX_AGE = timedelta(minutes=15)
_MAX_SETTLED = 100
NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HeldCall:
    """A call that a member is about to make. most_nano: what its own budget leaves."""

    account_id: UUID
    team_id: UUID
    agent_id: UUID
    call_key: str
    most_nano: int
    task_id: UUID | None = None


async def reserve(session: AsyncSession, call: HeldCall) -> int:
    """Set aside what a call may cost and return it, in nano-units; 0 if nothing is left.

    A call that is repeated keeps its hold.
    """
    team = await _lock_team(session, call.account_id, call.team_id)
    if team is None:
        return 0
    key = (call.team_id, call.call_key)
    known = await session.get(AgentHold, key, populate_existing=True)
    if known is not None:
        return known.amount_nano
    now = await database_now(session)
    amount = min(call.most_nano, left_nano(team, await _held_nano(session, team), now))
    if amount <= 0:
        return 0
    session.add(
        AgentHold(
            team_id=call.team_id,
            call_key=call.call_key,
            account_id=call.account_id,
            agent_id=call.agent_id,
            task_id=call.task_id,
            amount_nano=amount,
            created_at=now,
        )
    )
    await session.flush()
    return amount


def left_nano(team: AgentTeam, held_nano: int, now: datetime) -> int:
    """Return what the next call of a team may cost, in nano-units."""
    spent = spending(team, now)
    return min(
        team.call_nano,
        team.day_nano - spent.day_nano - held_nano,
        team.month_nano - spent.month_nano - held_nano,
    )


def spending(team: AgentTeam, now: datetime) -> Spending:
    """Return what a team has spent in the day and month of a time in UTC."""
    return Spending(team.spent_day, team.spent_day_nano, team.spent_month_nano).at(now.date())


async def settle_call(
    session: AsyncSession, account_id: UUID, team_id: UUID, key: str, stated_nano: int = 0
) -> None:
    """Replace the hold of a call by what it cost.

    stated_nano: the cost that the answer stated, used while its usage row is not written.
    """
    which = col(AgentHold.call_key) == key
    await _settle(session, account_id, team_id, which, {key: stated_nano})


async def settle_task(
    session: AsyncSession,
    account_id: UUID,
    team_id: UUID,
    task_id: UUID,
    stated: Mapping[str, int] = NOTHING,
) -> dict[UUID, int]:
    """Replace all holds of a task by what its calls cost. Returns it by agent, in nano-units."""
    return await _settle(session, account_id, team_id, col(AgentHold.task_id) == task_id, stated)


async def drop_hold(session: AsyncSession, account_id: UUID, team_id: UUID, key: str) -> None:
    """Remove the hold of a call that was refused and cost nothing."""
    await session.execute(
        delete(AgentHold).where(
            col(AgentHold.account_id) == account_id,
            col(AgentHold.team_id) == team_id,
            col(AgentHold.call_key) == key,
        )
    )


async def settle_old(session: AsyncSession, now: datetime) -> int:
    """Settle holds of all accounts that were lost with their process. Returns their number.

    Those of open tasks are settled with the task: their calls may be repeated under the same key.
    """
    query = (
        select(AgentHold.account_id, AgentHold.team_id, AgentHold.call_key)
        .outerjoin(AgentTask, col(AgentTask.id) == col(AgentHold.task_id))
        .where(
            col(AgentHold.created_at) < now - _MAX_AGE,
            or_(col(AgentTask.id).is_(None), col(AgentTask.status).not_in(OPEN_STATUSES)),
        )
        .order_by(col(AgentHold.team_id))
        .limit(_MAX_SETTLED)
    )
    found = (await session.execute(query)).all()
    for account_id, team_id, key in found:
        await settle_call(session, account_id, team_id, key)
    return len(found)


async def team_held_nano(session: AsyncSession, teams: Sequence[AgentTeam]) -> dict[UUID, int]:
    """Return what running calls of teams may cost, by team that has any."""
    query = (
        select(AgentHold.team_id, func.sum(AgentHold.amount_nano))
        .where(col(AgentHold.team_id).in_([one.id for one in teams]))
        .group_by(col(AgentHold.team_id))
    )
    return {team_id: int(amount) for team_id, amount in (await session.execute(query)).all()}


async def _held_nano(session: AsyncSession, team: AgentTeam) -> int:
    """Return what the running calls of a team may cost."""
    return (await team_held_nano(session, [team])).get(team.id, 0)


async def _settle(
    session: AsyncSession,
    account_id: UUID,
    team_id: UUID,
    which: ColumnElement[bool],
    stated: Mapping[str, int],
) -> dict[UUID, int]:
    """Delete the selected holds of a team, and count what their calls cost, by agent."""
    team = await _lock_team(session, account_id, team_id)
    query = (
        delete(AgentHold)
        .where(col(AgentHold.account_id) == account_id, col(AgentHold.team_id) == team_id, which)
        .returning(col(AgentHold.call_key), col(AgentHold.agent_id))
        .execution_options(synchronize_session=False)
    )
    holds = (await session.execute(query)).all()
    if team is None or not holds:
        return {}
    billed = await _billed_nano(session, account_id, [key for key, _ in holds])
    costs: dict[UUID, int] = {}
    for key, agent_id in holds:
        costs[agent_id] = costs.get(agent_id, 0) + billed.get(key, stated.get(key, 0))
    spent = spending(team, await database_now(session)).plus(sum(costs.values()))
    team.spent_day, team.spent_day_nano = spent.day, spent.day_nano
    team.spent_month_nano = spent.month_nano
    await session.flush()
    return costs


async def _billed_nano(
    session: AsyncSession, account_id: UUID, keys: Sequence[str]
) -> dict[str, int]:
    """Return what was billed for the calls of idempotency keys, by key with a usage row."""
    query = (
        select(KeptAnswer.idempotency_key, Usage.cost_nano)
        .join(Usage, col(KeptAnswer.request_id) == col(Usage.request_id))
        .where(
            col(Usage.account_id) == account_id,
            col(KeptAnswer.account_id) == account_id,
            col(KeptAnswer.idempotency_key).in_(keys),
        )
    )
    return {key: cost for key, cost in (await session.execute(query)).all()}


async def _lock_team(session: AsyncSession, account_id: UUID, team_id: UUID) -> AgentTeam | None:
    """Lock and return a team, None if there is none.

    Rows that refer to the team can still be written: else announcements would wait in a circle.
    """
    query = select(AgentTeam).where(
        col(AgentTeam.account_id) == account_id, col(AgentTeam.id) == team_id
    )
    return (
        await session.scalars(
            query.with_for_update(key_share=True).execution_options(populate_existing=True)
        )
    ).one_or_none()
