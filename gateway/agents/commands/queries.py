"""Commands of an account: listed and found."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.errors import AgentCommandNotFound
from gateway.agents.public_ids import COMMAND
from gateway.tables.agents_commands import AgentCommand, CommandStatus
from infra import ids
from infra.database.paging import page_of


async def find_command(session: AsyncSession, account_id: UUID, command: str) -> AgentCommand:
    """Return a command of the account. Raises AgentCommandNotFound."""
    query = select(AgentCommand).where(
        col(AgentCommand.account_id) == account_id,
        col(AgentCommand.id) == ids.parse_id(COMMAND, command),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise AgentCommandNotFound(f"The command {command[:60]!r} does not exist.", param="command")
    return row


async def list_commands(
    session: AsyncSession,
    account_id: UUID,
    limit: int,
    after: UUID | None,
    agent_id: UUID | None = None,
    status: CommandStatus | None = None,
) -> Sequence[AgentCommand]:
    """Return a page of commands, the newest first."""
    query = select(AgentCommand).where(col(AgentCommand.account_id) == account_id)
    if agent_id is not None:
        query = query.where(col(AgentCommand.agent_id) == agent_id)
    if status is not None:
        query = query.where(col(AgentCommand.status) == status)
    return (await session.scalars(page_of(query, col(AgentCommand.id), limit, after))).all()
