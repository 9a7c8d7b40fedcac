"""Create, change, find, list, pause and delete agents; each definition is kept as a version."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.agents.actions.expiring import reject_proposals
from gateway.agents.board.membership import keep_membership
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.errors import AgentLimitReached, AgentNotFound, AgentVersionConflict
from gateway.agents.public_ids import AGENT
from gateway.agents.state import AgentState, write_state
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.plant.store.queries import find_asset
from gateway.tables.agents import Agent, AgentStatus, AgentVersion
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of


@dataclass(frozen=True, slots=True)
class AgentChange:
    """Who changes an agent of which account, in which transaction."""

    session: AsyncSession
    clock: Clock
    actor: Actor
    account_id: UUID

    async def record(self, action: str, row: Agent, details: dict[str, Any]) -> None:
        """Record the change in the audit log."""
        subject = ids.format_id(AGENT, row.id)
        await record_audit_event(
            self.session, self.clock, self.actor, self.account_id, action, subject, details
        )


def write_definition(definition: AgentDefinition) -> dict[str, Any]:
    """Return the document of a definition for storing."""
    document: dict[str, Any] = msgspec.to_builtins(definition)
    return document


def read_definition(document: object) -> AgentDefinition:
    """Return the definition of a stored document."""
    return msgspec.convert(document, AgentDefinition)


async def create_agent(
    change: AgentChange, key_id: UUID, definition: AgentDefinition, most: int
) -> Agent:
    """Create an agent, which starts paused, so that its owner can replay it first.

    most: agents that the account may have. Raises AgentLimitReached, PlantNodeNotFound.
    """
    await _require_room(change, most)
    asset = await find_asset(change.session, change.account_id, definition.asset)
    now = change.clock.now()
    row = Agent(
        id=ids.new_id(),
        account_id=change.account_id,
        asset_id=asset.id,
        key_id=key_id,
        name=definition.name,
        status=AgentStatus.PAUSED,
        version=1,
        definition=write_definition(definition),
        state=write_state(AgentState()),
        due_at=now,
        spent_day=now.date(),
        created_at=now,
        updated_at=now,
    )
    change.session.add(row)
    await change.session.flush()
    await keep_membership(change.session, row, definition.board)
    await _add_version(change, row)
    await change.record("agent.created", row, {"name": row.name, "asset": asset.code})
    return row


async def change_definition(
    change: AgentChange, agent: str, definition: AgentDefinition, expected: int | None = None
) -> Agent:
    """Make a definition the next version. A tick that runs meanwhile acts on nothing.

    expected: the version that was read. Raises AgentNotFound, AgentVersionConflict,
    PlantNodeNotFound.
    """
    row = await find_agent(change.session, change.account_id, agent, is_locked=True)
    if expected is not None and expected != row.version:
        raise AgentVersionConflict(f"The agent has version {row.version} by now.")
    asset = await find_asset(change.session, change.account_id, definition.asset)
    row.asset_id, row.name = asset.id, definition.name
    row.definition, row.version = write_definition(definition), row.version + 1
    # What was held or told under other rules says nothing of the new ones.
    row.state, row.updated_at = write_state(AgentState()), change.clock.now()
    row.due_at = row.updated_at
    await change.session.flush()
    await keep_membership(change.session, row, definition.board)
    await _add_version(change, row)
    await change.record("agent.changed", row, {"version": row.version})
    return row


async def set_key(change: AgentChange, row: Agent, key_id: UUID) -> None:
    """Make another API key pay for the calls of an agent."""
    if row.key_id == key_id:
        return
    row.key_id, row.updated_at = key_id, change.clock.now()
    await change.session.flush()
    await change.record("agent.key_changed", row, {"key": ids.format_id(KEY_PREFIX, key_id)})


async def set_status(change: AgentChange, agent: str, status: AgentStatus) -> Agent:
    """Activate, pause or delete an agent; deletion rejects its proposals. Raises AgentNotFound."""
    row = await find_agent(change.session, change.account_id, agent, is_locked=True)
    if row.status != status:
        row.status, row.stop_code, row.failures = status, None, 0
        row.due_at = row.updated_at = change.clock.now()
        if status is AgentStatus.DELETED:
            by = change.actor.public_id
            await reject_proposals(change.session, row.account_id, row.id, by, row.updated_at)
        await change.record(f"agent.{status.value}", row, {"version": row.version})
    return row


async def find_agent(
    session: AsyncSession,
    account_id: UUID,
    agent: str,
    *,
    is_locked: bool = False,
    with_deleted: bool = False,
) -> Agent:
    """Return one of the account's agents. Raises AgentNotFound."""
    query = select(Agent).where(
        col(Agent.account_id) == account_id, col(Agent.id) == ids.parse_id(AGENT, agent)
    )
    if not with_deleted:
        query = query.where(col(Agent.status) != AgentStatus.DELETED)
    row = (await session.scalars(query.with_for_update() if is_locked else query)).one_or_none()
    if row is None:
        raise AgentNotFound(f"The agent {agent[:60]!r} does not exist.", param="agent")
    return row


async def find_agent_id(session: AsyncSession, account_id: UUID, agent: str | None) -> UUID | None:
    """Return the id of one of the account's agents, also a deleted one; None if none is named.

    Raises AgentNotFound.
    """
    if agent is None:
        return None
    return (await find_agent(session, account_id, agent, with_deleted=True)).id


async def list_agents(
    session: AsyncSession,
    account_id: UUID,
    limit: int,
    after: UUID | None,
    asset_id: UUID | None = None,
) -> Sequence[Agent]:
    """Return a page of the account's agents, the newest first."""
    query = select(Agent).where(
        col(Agent.account_id) == account_id, col(Agent.status) != AgentStatus.DELETED
    )
    if asset_id is not None:
        query = query.where(col(Agent.asset_id) == asset_id)
    return (await session.scalars(page_of(query, col(Agent.id), limit, after))).all()


async def list_versions(
    session: AsyncSession, account_id: UUID, agent_id: UUID
) -> Sequence[AgentVersion]:
    """Return the versions of an agent, the newest first."""
    query = (
        select(AgentVersion)
        .where(col(AgentVersion.account_id) == account_id, col(AgentVersion.agent_id) == agent_id)
        .order_by(col(AgentVersion.version).desc())
    )
    return (await session.scalars(query)).all()


async def restore_version(change: AgentChange, agent: str, version: int) -> Agent:
    """Make an earlier version the next one. Raises AgentNotFound."""
    row = await find_agent(change.session, change.account_id, agent)
    for earlier in await list_versions(change.session, change.account_id, row.id):
        if earlier.version == version:
            return await change_definition(change, agent, read_definition(earlier.definition))
    raise AgentNotFound(f"The agent has no version {version}.", param="version")


async def _require_room(change: AgentChange, most: int) -> None:
    """Raise AgentLimitReached if the account has as many agents as it may.

    The lock lasts until the transaction ends, so that agents created at once are counted.
    """
    lock = func.hashtextextended(f"agents:{change.account_id}", 0)
    await change.session.execute(select(func.pg_advisory_xact_lock(lock)))
    query = (
        select(func.count())
        .select_from(Agent)
        .where(col(Agent.account_id) == change.account_id, col(Agent.status) != AgentStatus.DELETED)
    )
    if (await change.session.scalars(query)).one() >= most:
        raise AgentLimitReached(
            f"The account has {most} agents, the most that are allowed. Delete some, or ask the "
            "operator for a higher limit."
        )


async def _add_version(change: AgentChange, row: Agent) -> None:
    """Keep the current definition as a version."""
    change.session.add(
        AgentVersion(
            agent_id=row.id,
            version=row.version,
            account_id=row.account_id,
            definition=row.definition,
            changed_by=change.actor.public_id,
            created_at=change.clock.now(),
        )
    )
    await change.session.flush()
