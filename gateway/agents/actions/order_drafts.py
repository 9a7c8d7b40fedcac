"""Add the draft of an approved action to its work order, and remove it again."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.errors import AgentActionClosed
from gateway.plant.assets.ids import ENTITY
from gateway.plant.store.revisions import advance_revision
from gateway.tables.agents import AgentAction
from gateway.tables.plant import PlantEntity
from infra import ids
from infra.clock import Clock

_PROPERTY = "agent_draft"


async def add_draft(session: AsyncSession, clock: Clock, action: AgentAction) -> UUID:
    """Add a draft to its work order, in place of an earlier one. Returns the order's id.

    Raises AgentActionClosed if the order was retired meanwhile.
    """
    order = await _order(session, action)
    if order is None:
        raise AgentActionClosed("The work order of the draft does not exist any more.")
    draft = {"value": str(action.content["text"]), "unit": "", "semantic_id": ""}
    await _write(session, clock, order, {**order.properties, _PROPERTY: draft})
    return order.id


async def remove_draft(session: AsyncSession, clock: Clock, action: AgentAction) -> None:
    """Remove a draft from its work order; an order that was retired is left alone."""
    order = await _order(session, action)
    if order is not None:
        kept = {name: one for name, one in order.properties.items() if name != _PROPERTY}
        await _write(session, clock, order, kept)


async def _order(session: AsyncSession, action: AgentAction) -> PlantEntity | None:
    """Return the work order of a draft, None if it is retired."""
    await advance_revision(session, action.account_id)
    query = select(PlantEntity).where(
        col(PlantEntity.account_id) == action.account_id,
        col(PlantEntity.id) == ids.parse_id(ENTITY, str(action.content["order"])),
        col(PlantEntity.retired_at).is_(None),
    )
    return (await session.scalars(query.with_for_update())).one_or_none()


async def _write(
    session: AsyncSession, clock: Clock, order: PlantEntity, properties: dict[str, Any]
) -> None:
    """Replace the properties of an order."""
    order.properties, order.updated_at = properties, clock.now()
    await session.flush()
