"""Work orders of agents in the plant model: an entity and its relation to the asset.

They are ordinary entities of the account: on the asset's page, in the graph and in exports.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.public_ids import ACTION
from gateway.plant.assets.values import NodeKind, Source
from gateway.plant.store.revisions import advance_revision
from gateway.tables.agents import Agent, AgentAction
from gateway.tables.plant import PlantEntity, PlantRelation
from infra import ids
from infra.clock import Clock

_KIND, _PREDICATE = "work_order", "concerns"
_CODE_CHARACTERS = 12


async def create_order(
    session: AsyncSession, clock: Clock, agent: Agent, action: AgentAction
) -> UUID:
    """Create the work order of an action and relate it to the agent's asset. Returns its id."""
    await advance_revision(session, agent.account_id)
    now, public_id = clock.now(), ids.format_id(ACTION, action.id)
    order = PlantEntity(
        id=ids.new_id(),
        account_id=agent.account_id,
        kind=_KIND,
        code=f"AG-{action.id.hex[-_CODE_CHARACTERS:].upper()}",
        name=f"{agent.name}: {action.kind}",
        properties={
            name: {"value": value, "unit": "", "semantic_id": ""}
            for name, value in (
                ("action", action.kind),
                ("agent_action", public_id),
                ("due_at", str(action.content["due_at"])),
                ("status", "open"),
            )
        },
        source=Source.MODEL.value,
        created_at=now,
        updated_at=now,
    )
    session.add(order)
    await session.flush()
    session.add(
        PlantRelation(
            id=ids.new_id(),
            account_id=agent.account_id,
            subject_kind=NodeKind.WORK_ORDER.value,
            subject_id=order.id,
            predicate=_PREDICATE,
            object_kind=NodeKind.ASSET.value,
            object_id=agent.asset_id,
            confidence=1.0,
            source=Source.MODEL.value,
            created_at=now,
            valid_from=now,
        )
    )
    await session.flush()
    return order.id
