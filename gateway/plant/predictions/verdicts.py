"""Verdicts of specialists on assets: stored with a call's usage row, listed by asset."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel, col, select

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.asset_inputs import AssetVerdict
from gateway.collaboration.decisions import RECORD_PREFIX
from gateway.plant.assets.ids import ASSET
from gateway.tables.plant_verdicts import PlantVerdict
from infra import ids
from infra.database.paging import page_of

VERDICT = "vrd"
# Of the table: a mapped class costs the time of the ORM at each call.
_INSERT = insert(SQLModel.metadata.tables[PlantVerdict.__tablename__]).on_conflict_do_nothing(
    index_elements=["request_id"]
)


async def store_verdict(session: AsyncSession, verdict: AssetVerdict, now: datetime) -> None:
    """Store a verdict; a second one of the same request changes nothing."""
    row = {
        "id": ids.new_id(),
        "account_id": verdict.account_id,
        "asset_id": verdict.asset_id,
        "request_id": verdict.request_id,
        "model": verdict.model,
        "version": verdict.version,
        "decision_record_id": verdict.decision_record_id,
        "at": verdict.at,
        "created_at": now,
        "prediction": dict(verdict.prediction),
        "inputs": [dict(one) for one in verdict.inputs],
        "finding": dict(verdict.finding),
    }
    await session.execute(_INSERT, row)


async def list_verdicts(
    session: AsyncSession, account_id: UUID, asset_id: UUID, limit: int, after: UUID | None
) -> list[PlantVerdict]:
    """Return a page of an asset's verdicts, the newest first."""
    query = select(PlantVerdict).where(
        col(PlantVerdict.account_id) == account_id, col(PlantVerdict.asset_id) == asset_id
    )
    paged = page_of(query, col(PlantVerdict.id), limit, after, ascending=False)
    return list((await session.scalars(paged)).all())


def verdict_json(row: PlantVerdict) -> dict[str, Any]:
    """Return a verdict as the API shows it."""
    return {
        "id": ids.format_id(VERDICT, row.id),
        "object": "plant.verdict",
        "asset": ids.format_id(ASSET, row.asset_id),
        "request_id": ids.format_id(REQUEST_ID_PREFIX, row.request_id),
        "model": row.model,
        "version": row.version or None,
        "decision_record": None
        if row.decision_record_id is None
        else ids.format_id(RECORD_PREFIX, row.decision_record_id),
        "at": row.at.isoformat(),
        "created_at": int(row.created_at.timestamp()),
        "finding": row.finding or None,
        "prediction": row.prediction,
        "inputs": row.inputs,
    }
