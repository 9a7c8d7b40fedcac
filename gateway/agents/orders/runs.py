"""Work orders in the ticks of agents: find those without a draft, and record drafts."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from gateway.agents.actions.creation import APPROVAL_WITHIN, execute
from gateway.agents.definitions.values import ActionKind, AgentDefinition, Autonomy
from gateway.agents.orders.drafting import OrderDraft, OrderInput
from gateway.agents.orders.history import load_history
from gateway.agents.public_ids import AGENT, TICK
from gateway.plant.assets.ids import ENTITY
from gateway.tables.agents import Agent, AgentAction, AgentActionStatus, AgentTick
from gateway.tables.agents_rounds import AgentOrderDraft
from infra import ids
from infra.clock import Clock


async def orders_of(
    session: AsyncSession, watched: Sequence[tuple[Agent, AgentDefinition]]
) -> Mapping[UUID, OrderInput]:
    """Return for each agent the oldest open work order without a draft, by the agent's id.

    Only orders that were written since the agent exists count; one that was changed counts anew.
    Agents without the section cost no query.
    """
    found = {}
    for agent, definition in watched:
        if definition.orders is None:
            continue
        history = await load_history(session, agent.account_id, agent.asset_id)
        drafted = await _drafted(session, agent)
        waiting = [
            one
            for one in history.orders
            if one.is_open
            and one.updated_at >= agent.created_at
            and (one.id, one.sha256) not in drafted
        ]
        if waiting:
            language = (await get_profile(session, agent.account_id)).locale
            order = min(waiting, key=lambda one: (one.updated_at, one.id))
            found[agent.id] = OrderInput(order, history, definition.orders, language)
    return found


async def record_draft(
    session: AsyncSession,
    clock: Clock,
    agent: Agent,
    tick: AgentTick,
    definition: AgentDefinition,
    draft: OrderDraft,
) -> None:
    """Record that a work order was drafted for, and propose or add the draft.

    Without the action `order_draft`, or below the level `approve`, the draft is kept in the tick.
    """
    now, action_id = clock.now(), None
    acts = definition.autonomy in (Autonomy.APPROVE, Autonomy.ACT)
    if acts and ActionKind.ORDER_DRAFT in definition.actions:
        row = AgentAction(
            id=ids.new_id(),
            account_id=agent.account_id,
            agent_id=agent.id,
            tick_id=tick.id,
            kind=ActionKind.ORDER_DRAFT.value,
            status=AgentActionStatus.PROPOSED,
            content={
                "asset": definition.asset,
                "kind": ActionKind.ORDER_DRAFT.value,
                "order": ids.format_id(ENTITY, draft.order_id),
                "text": draft.text,
                "draft": draft.document,
            },
            reason={
                "agent": ids.format_id(AGENT, agent.id),
                "version": agent.version,
                "tick": ids.format_id(TICK, tick.id),
                "assessment": tick.assessment,
                "rules": [],
            },
            created_at=now,
            expires_at=now + APPROVAL_WITHIN,
        )
        session.add(row)
        await session.flush()
        if definition.autonomy is Autonomy.ACT:
            await execute(session, clock, agent, row)
        action_id = row.id
    session.add(
        AgentOrderDraft(
            agent_id=agent.id,
            entity_id=draft.order_id,
            content_sha256=draft.sha256,
            account_id=agent.account_id,
            action_id=action_id,
            created_at=now,
        )
    )
    await session.flush()


async def _drafted(session: AsyncSession, agent: Agent) -> set[tuple[UUID, str]]:
    """Return the work orders that the agent drafted for, with the hash of their content."""
    query = select(AgentOrderDraft.entity_id, AgentOrderDraft.content_sha256).where(
        col(AgentOrderDraft.account_id) == agent.account_id,
        col(AgentOrderDraft.agent_id) == agent.id,
    )
    return {(row[0], row[1]) for row in (await session.execute(query)).all()}
