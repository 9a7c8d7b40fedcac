"""Work orders of agents in the plant model: an entity and its relation to the asset.

They are ordinary entities of the account: on the asset's page, in the graph and in exports.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from gateway.agents.definitions.values import ActionKind
from gateway.agents.public_ids import ACTION
from gateway.agents.wording import agent_text
from gateway.plant.assets.ids import ASSET
from gateway.plant.assets.values import NodeKind, Source
from gateway.plant.maintenance.work_orders import WorkOrderEvent, emit_work_order
from gateway.plant.store.revisions import advance_revision
from gateway.tables.agents import Agent, AgentAction
from gateway.tables.plant import PlantEntity, PlantRelation
from infra import ids
from infra.clock import Clock

_KIND, _PREDICATE = "work_order", "concerns"
_CODE_CHARACTERS = 12


def _name(agent: Agent, action: AgentAction, language: str) -> str:
    """Return the name of a work order in the language of the account's recipients."""
    decision = action.reason.get("assessment", {}).get("action", "wait")
    key = f"order_{decision if action.kind == ActionKind.WORK_ORDER else action.kind}"
    return agent_text(key, language, asset=agent.definition["asset"], agent=agent.name)


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
        name=_name(agent, action, (await get_profile(session, agent.account_id)).locale),
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
            object_id=action_asset(agent, action),
            confidence=1.0,
            source=Source.MODEL.value,
            created_at=now,
            valid_from=now,
        )
    )
    await session.flush()
    await emit_work_order(session, clock, order, WorkOrderEvent.CREATED, action.reason)
    return order.id


def action_asset(agent: Agent, action: AgentAction) -> UUID:
    """Return the id of the asset of an action: the agent's, or that of a task of its team."""
    stated = ids.parse_id(ASSET, str(action.content.get("asset_id", "")))
    return agent.asset_id if stated is None else stated
