"""What an account maps the inputs of its models to: concepts, or tags of points."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.predictions.values import MappedInput
from gateway.plant.store.editing import Editing
from gateway.tables.plant_verdicts import PlantModelInput

# Stands for the asset's code in a mapped tag.
ASSET_CODE = "{asset}"
MAX_INPUTS = 1_000


async def list_model_inputs(
    session: AsyncSession, account_id: UUID, model: str
) -> list[PlantModelInput]:
    """Return the mapped inputs of a model by name."""
    query = (
        select(PlantModelInput)
        .where(col(PlantModelInput.account_id) == account_id, col(PlantModelInput.model) == model)
        .order_by(col(PlantModelInput.input))
    )
    return list((await session.scalars(query)).all())


async def load_mapped(
    session: AsyncSession, account_id: UUID, model: str, asset_code: str
) -> Mapping[str, MappedInput]:
    """Return what the inputs of a model are mapped to, with the tags of one asset."""
    rows = await list_model_inputs(session, account_id, model)
    mapped = {row.input: MappedInput(row.concept_id, row.tag) for row in rows}
    return tags_of_asset(mapped, asset_code)


def tags_of_asset(mapped: Mapping[str, MappedInput], asset_code: str) -> Mapping[str, MappedInput]:
    """Return mapped inputs with the tags of one asset."""
    return {
        name: MappedInput(one.concept_id, one.tag.replace(ASSET_CODE, asset_code))
        for name, one in mapped.items()
    }


async def save_model_inputs(
    editing: Editing, model: str, mapped: Mapping[str, MappedInput]
) -> list[PlantModelInput]:
    """Replace the mapped inputs of a model, with an entry in the audit log; returns them."""
    session, account_id = editing.session, editing.account_id
    await replace_model_inputs(session, account_id, model, mapped, editing.clock.now())
    await editing.record("plant.model_inputs_replaced", model, {"inputs": sorted(mapped)[:100]})
    return await list_model_inputs(session, account_id, model)


async def replace_model_inputs(
    session: AsyncSession,
    account_id: UUID,
    model: str,
    mapped: Mapping[str, MappedInput],
    now: datetime,
) -> None:
    """Replace what the inputs of a model are mapped to."""
    removed = delete(PlantModelInput).where(
        col(PlantModelInput.account_id) == account_id, col(PlantModelInput.model) == model
    )
    await session.execute(removed)
    if mapped:
        rows: list[dict[str, Any]] = [
            {
                "account_id": account_id,
                "model": model,
                "input": name,
                "concept_id": one.concept_id,
                "tag": one.tag,
                "changed_at": now,
            }
            for name, one in mapped.items()
        ]
        await session.execute(insert(PlantModelInput).values(rows))
