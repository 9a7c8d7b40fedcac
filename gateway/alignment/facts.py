"""Load what proposals are made from beside the model's answer."""

import asyncio
from uuid import UUID

from gateway.alignment.batches import Facts
from gateway.plant.alignment.assets import index_assets
from gateway.plant.alignment.probability import fit_curve
from gateway.plant.store.alignment_facts import (
    count_units,
    list_assigned_tags,
    list_named_assets,
    list_outcomes,
)
from infra.database.database import Database


async def load_facts(database: Database, account_id: UUID) -> Facts:
    """Return an account's assets, units and outcomes of earlier proposals."""
    async with database.transaction() as session:
        outcomes = await list_outcomes(session, account_id)
        units = await count_units(session, account_id)
        assets = await list_named_assets(session, account_id)
        assigned = await list_assigned_tags(session, account_id)
    names = await asyncio.to_thread(index_assets, assets, assigned)
    return Facts(fit_curve(outcomes), units, names)
