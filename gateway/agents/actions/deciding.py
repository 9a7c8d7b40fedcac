"""Approve, reject and undo actions of agents; each decision is recorded with the person."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.actions.creation import execute
from gateway.agents.actions.order_drafts import remove_draft
from gateway.agents.commands.undoing import undo_commands
from gateway.agents.definitions.values import ActionKind
from gateway.agents.errors import AgentActionClosed, AgentActionNotFound
from gateway.agents.public_ids import ACTION, AGENT
from gateway.agents.store.agents import AgentChange, find_agent
from gateway.plant.assets.values import Source
from gateway.plant.maintenance.work_orders import WorkOrderEvent, emit_work_order
from gateway.plant.store.applying import Writing, end_relations_of
from gateway.plant.store.revisions import advance_revision
from gateway.tables.agents import Agent, AgentAction, AgentActionStatus
from gateway.tables.plant import PlantEntity
from infra import ids
from infra.database.paging import page_of


async def find_action(
    session: AsyncSession, account_id: UUID, action: str, *, is_locked: bool = False
) -> AgentAction:
    """Return one of the account's actions. Raises AgentActionNotFound."""
    query = select(AgentAction).where(
        col(AgentAction.account_id) == account_id,
        col(AgentAction.id) == ids.parse_id(ACTION, action),
    )
    row = (await session.scalars(query.with_for_update() if is_locked else query)).one_or_none()
    if row is None:
        raise AgentActionNotFound(f"The action {action[:60]!r} does not exist.", param="action")
    return row


async def list_actions(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None,
    agent_id: UUID | None = None, status: AgentActionStatus | None = None,
) -> Sequence[AgentAction]:  # fmt: skip
    """Return a page of actions, the newest first."""
    query = select(AgentAction).where(col(AgentAction.account_id) == account_id)
    if agent_id is not None:
        query = query.where(col(AgentAction.agent_id) == agent_id)
    if status is not None:
        query = query.where(col(AgentAction.status) == status)
    return (await session.scalars(page_of(query, col(AgentAction.id), limit, after))).all()


async def approve(change: AgentChange, action: str) -> AgentAction:
    """Execute a proposed action. A repeated approval changes nothing.

    Raises AgentActionNotFound, AgentActionClosed if it was rejected or is too old,
    AgentCommandRefused.
    """
    row = await find_action(change.session, change.account_id, action, is_locked=True)
    if row.status == AgentActionStatus.EXECUTED:
        return row
    if row.status == AgentActionStatus.PROPOSED and change.clock.now() > row.expires_at:
        raise AgentActionClosed("The proposal has expired: it rests on readings that are too old.")
    agent = await _require_open(change, row)
    await execute(change.session, change.clock, agent, row)
    await _decided(change, row, agent, "agent.action_approved")
    return row


async def reject(change: AgentChange, action: str) -> AgentAction:
    """Reject a proposed action. Raises AgentActionNotFound, AgentActionClosed."""
    row = await find_action(change.session, change.account_id, action, is_locked=True)
    if row.status == AgentActionStatus.REJECTED:
        return row
    agent = await _require_open(change, row)
    row.status = AgentActionStatus.REJECTED
    await _decided(change, row, agent, "agent.action_rejected")
    return row


async def undo(change: AgentChange, action: str) -> AgentAction:
    """Undo an executed action: retire its work order, or write the former values.

    Raises AgentActionNotFound, AgentActionClosed if it was not executed, AgentCommandRefused.
    """
    row = await find_action(change.session, change.account_id, action, is_locked=True)
    if row.status == AgentActionStatus.UNDONE:
        return row
    if row.kind == ActionKind.SET_POINT:
        raise AgentActionClosed("A set point cannot be undone: the next tick decides again.")
    if row.status != AgentActionStatus.EXECUTED:
        raise AgentActionClosed(
            f"The action is `{row.status}`; only an executed one can be undone."
        )
    agent = await _agent_of(change, row)
    if row.kind == ActionKind.WRITE:
        await undo_commands(change, agent, row)
    elif row.kind == ActionKind.ORDER_DRAFT:
        await remove_draft(change.session, change.clock, row)
    elif row.entity_id is not None:
        await _retire_order(change, row.entity_id)
    row.status = AgentActionStatus.UNDONE
    await _decided(change, row, agent, "agent.action_undone")
    return row


async def _require_open(change: AgentChange, row: AgentAction) -> Agent:
    """Return the agent of a proposal. Raises AgentActionClosed for any other action."""
    if row.status != AgentActionStatus.PROPOSED:
        raise AgentActionClosed(f"The action is `{row.status}`.")
    return await _agent_of(change, row)


async def _agent_of(change: AgentChange, row: AgentAction) -> Agent:
    """Return the agent of an action; what a deleted one did can still be undone."""
    agent = ids.format_id(AGENT, row.agent_id)
    return await find_agent(change.session, change.account_id, agent, with_deleted=True)


async def _decided(change: AgentChange, row: AgentAction, agent: Agent, event: str) -> None:
    """Record who decided, and when."""
    row.decided_at, row.decided_by = change.clock.now(), change.actor.public_id
    await change.session.flush()
    details = {"action": ids.format_id(ACTION, row.id), "kind": row.kind}
    await change.record(event, agent, details)


async def _retire_order(change: AgentChange, entity_id: UUID) -> None:
    """Retire a work order and end its relations."""
    session, now = change.session, change.clock.now()
    await advance_revision(session, change.account_id)
    query = select(PlantEntity).where(
        col(PlantEntity.account_id) == change.account_id, col(PlantEntity.id) == entity_id
    )
    order = (await session.scalars(query)).one()
    order.retired_at = order.updated_at = now
    actor = change.actor.public_id or "cli"
    writing = Writing(session, change.account_id, Source.MANUAL, actor, now, {})
    await end_relations_of(writing, order.id)
    await emit_work_order(session, change.clock, order, WorkOrderEvent.CANCELLED)
