"""Points of the plant model in the database, for tests of readings."""

from collections.abc import Iterable
from uuid import UUID

from gateway.plant.assets.ids import POINT
from gateway.tables import PlantPoint
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support.builders import Gateway


def new_point(
    account_id: UUID, tag: str, unit: str = "degC", data_type: str = "number"
) -> PlantPoint:
    """An unmapped point."""
    now = SystemClock().now()
    return PlantPoint(
        id=ids.new_id(),
        account_id=account_id,
        tag=tag,
        name="",
        unit=unit,
        data_type=data_type,
        concept_scheme="",
        concept_id="",
        mapping_status="unmapped",
        source="manual",
        created_at=now,
        updated_at=now,
    )


async def add_points(database: Database, points: Iterable[PlantPoint]) -> list[UUID]:
    """Insert points; returns their ids."""
    added = list(points)
    async with database.transaction() as session:
        session.add_all(added)
    return [point.id for point in added]


async def add_point(gateway: Gateway) -> str:
    """Insert a point of the gateway's account; returns its id in the API."""
    made = new_point(gateway.account.id, f"T{ids.new_id().hex}")
    (added,) = await add_points(gateway.parts.database, [made])
    return ids.format_id(POINT, added)
