"""Numbers of a submitted round as readings of their points: one metered call of the key."""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import update
from sqlmodel import col

from gateway.api.plant.ingestion import ReadingIngestion
from gateway.api.plant.reading_formats import JSON, ReadingsBody
from gateway.call.values import Principal
from gateway.tables.agents_rounds import AgentRound
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_SOURCE = "inspection-rounds"


@dataclass(frozen=True, slots=True)
class RoundReadings:
    """Stores the numbers of rounds. One per request."""

    ingestion: ReadingIngestion
    database: Database
    clock: Clock

    async def store(self, principal: Principal, row: AgentRound) -> dict[str, Any]:
        """Store the numbers of a round that belong to points, once, and return what became of them.

        A refused call is returned as `error`: the round stays submitted, and another submission
        tries again. Readings that are stored already are duplicates, which cost nothing.
        """
        readings = round_readings(row)
        if row.readings_at is not None or not readings:
            return {"stored": 0, "errors": []}
        body = ReadingsBody(
            content=msgspec.json.encode({"readings": readings}),
            content_type=JSON,
            encoding="",
            precision="ns",
            received_at=self.clock.now(),
            source=_SOURCE,
        )
        try:
            result = await self.ingestion.ingest(principal, body, {})
        except AppError as error:
            return {"stored": 0, "errors": [], "error": error.code or error.type}
        async with self.database.transaction() as session:
            await session.execute(
                update(AgentRound)
                .where(col(AgentRound.id) == row.id, col(AgentRound.account_id) == row.account_id)
                .values(readings_at=self.clock.now())
            )
        errors = [{"code": one.code, "message": one.message} for one in result.batch.errors]
        return {"stored": result.stored.stored, "errors": errors}


def round_readings(row: AgentRound) -> list[dict[str, Any]]:
    """Return the numbers of a round that belong to points, with time and unit."""
    if row.report is None:
        return []
    return [
        {
            "tag": one["point"],
            "time": one["answered_at"],
            "value": one["value"],
            **({"unit": one["unit"]} if one["unit"] else {}),
        }
        for stop in row.report["stops"]
        for one in stop["questions"]
        if one["point"] and one["value"] is not None
    ]
