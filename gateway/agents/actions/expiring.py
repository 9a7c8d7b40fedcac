"""End proposals: of time, and of agents that were deleted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables.agents import AgentAction, AgentActionStatus

_MAX_EXPIRED = 1_000


async def expire_proposals(session: AsyncSession, now: datetime) -> int:
    """Mark proposals of all accounts whose time is over. Returns their number.

    Those that somebody decides about at the moment are left for the next time.
    """
    over = (
        select(col(AgentAction.id))
        .where(
            col(AgentAction.status) == AgentActionStatus.PROPOSED,
            col(AgentAction.expires_at) < now,
        )
        .limit(_MAX_EXPIRED)
        .with_for_update(skip_locked=True)
    )
    expired = (
        update(AgentAction)
        .where(col(AgentAction.id).in_(over.scalar_subquery()))
        .values(status=AgentActionStatus.EXPIRED)
        .returning(col(AgentAction.id))
        .execution_options(synchronize_session=False)
    )
    return len((await session.execute(expired)).all())


async def reject_proposals(
    session: AsyncSession, account_id: UUID, agent_id: UUID, by: str | None, now: datetime
) -> None:
    """Reject the open proposals of an agent that is deleted."""
    await session.execute(
        update(AgentAction)
        .where(
            col(AgentAction.account_id) == account_id,
            col(AgentAction.agent_id) == agent_id,
            col(AgentAction.status) == AgentActionStatus.PROPOSED,
        )
        .values(status=AgentActionStatus.REJECTED, decided_at=now, decided_by=by)
        .execution_options(synchronize_session=False)
    )
