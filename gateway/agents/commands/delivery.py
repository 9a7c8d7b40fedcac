"""Deliver commands to a connector, and take what it reports. Each exchange is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.commands.issuing import CHANGED, command_of
from gateway.agents.commands.limits import limits_in_force
from gateway.agents.commands.reporting import apply_report
from gateway.agents.public_ids import COMMAND
from gateway.plant.commands.exchange import MAX_COMMANDS, ExchangeRequest, ExchangeResponse
from gateway.plant.commands.values import Renewal
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_commands import (
    LIVE_COMMANDS,
    OPEN_COMMANDS,
    AgentCommand,
    AgentConnector,
    CommandStatus,
)
from infra import ids
from infra.clock import Clock

# Older renewals would extend no timer any more.
_RENEWED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The answer to a connector, and the statuses of commands that ended with its reports."""

    response: ExchangeResponse
    ended: Sequence[str]


async def exchange(
    session: AsyncSession, clock: Clock, account_id: UUID, request: ExchangeRequest
) -> Exchange:
    """Store the reports of a connector and return its limits, commands and renewals."""
    now = clock.now()
    await _record_connector(session, account_id, request, now)
    ended = [
        await apply_report(session, clock, account_id, request.connector, one)
        for one in request.reports
    ]
    await _cancel_outdated(session, account_id, request.connector)
    await expire_commands(session, now, account_id)
    limits = (await limits_in_force(session, account_id, now)).get(request.connector)
    response = ExchangeResponse(
        limits=None if limits is None else limits.token,
        commands=[command_of(row) for row in await _send(session, account_id, request, now)],
        renewals=await _renewals(session, account_id, request.connector, now),
    )
    return Exchange(response, [one for one in ended if one])


async def expire_commands(
    session: AsyncSession, now: datetime, account_id: UUID | None = None
) -> int:
    """Mark commands that no connector fetched in time, of one account or of all."""
    expired = (
        update(AgentCommand)
        .where(col(AgentCommand.status) == CommandStatus.QUEUED, col(AgentCommand.not_after) < now)
        .values(status=CommandStatus.EXPIRED)
        .returning(col(AgentCommand.id))
        .execution_options(synchronize_session=False)
    )
    if account_id is not None:
        expired = expired.where(col(AgentCommand.account_id) == account_id)
    return len((await session.execute(expired)).all())


async def _record_connector(
    session: AsyncSession, account_id: UUID, request: ExchangeRequest, now: datetime
) -> None:
    """Record that a connector asked, and what it trusts and can write."""
    known = {"keys": request.keys, "tags": request.tags, "seen_at": now}
    statement = insert(AgentConnector).values(
        account_id=account_id, name=request.connector, **known
    )
    await session.execute(
        statement.on_conflict_do_update(index_elements=["account_id", "name"], set_=known)
    )


async def _cancel_outdated(session: AsyncSession, account_id: UUID, connector: str) -> None:
    """Cancel commands that no connector has yet and whose agent was changed or deleted since."""
    changed = or_(
        col(Agent.version) != col(AgentCommand.version),
        col(Agent.status) == AgentStatus.DELETED,
    )
    await session.execute(
        update(AgentCommand)
        .where(
            col(AgentCommand.account_id) == account_id,
            col(AgentCommand.connector) == connector,
            col(AgentCommand.status) == CommandStatus.QUEUED,
            ~col(AgentCommand.is_undo),
            col(Agent.id) == col(AgentCommand.agent_id),
            changed,
        )
        .values(status=CommandStatus.CANCELLED, code=CHANGED)
        .execution_options(synchronize_session=False)
    )


async def _send(
    session: AsyncSession, account_id: UUID, request: ExchangeRequest, now: datetime
) -> Sequence[AgentCommand]:
    """Return the commands without an outcome, oldest first; new ones are marked as sent."""
    query = (
        select(AgentCommand)
        .where(
            col(AgentCommand.account_id) == account_id,
            col(AgentCommand.connector) == request.connector,
            col(AgentCommand.status).in_(OPEN_COMMANDS),
        )
        .order_by(col(AgentCommand.id))
        .limit(MAX_COMMANDS)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    rows = (await session.scalars(query)).all()
    for row in rows:
        if row.status == CommandStatus.QUEUED:
            row.status, row.sent_at = CommandStatus.SENT, now
    await session.flush()
    return rows


async def _renewals(
    session: AsyncSession, account_id: UUID, connector: str, now: datetime
) -> list[Renewal]:
    """Return when the commands in effect were renewed last."""
    query = (
        select(AgentCommand)
        .where(
            col(AgentCommand.account_id) == account_id,
            col(AgentCommand.connector) == connector,
            col(AgentCommand.status).in_(LIVE_COMMANDS),
            ~col(AgentCommand.is_undo),
            col(AgentCommand.renewed_at) > now - _RENEWED_WITHIN,
        )
        .order_by(col(AgentCommand.id).desc())
        .limit(MAX_COMMANDS)
    )
    return [
        Renewal(command=ids.format_id(COMMAND, row.id), tag=row.tag, at=row.renewed_at)
        for row in (await session.scalars(query)).all()
    ]
