"""What the pages of one asset share: its head, health, verdicts and points with readings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency
from billing.tables import Usage
from gateway.dashboard.line_chart import spark_path
from gateway.dashboard.pages.plant.common import PlantPage, load_zone
from gateway.dashboard.verdict_view import VerdictView, verdict_view
from gateway.plant.predictions.health import UNKNOWN_HEALTH, AssetHealth
from gateway.plant.predictions.verdicts import list_verdicts
from gateway.plant.readings.formats.times import from_datetime, to_datetime
from gateway.plant.readings.quality import quality_of
from gateway.plant.readings.storage.queries import TimeRange, read_aggregates, read_newest
from gateway.plant.readings.values import HOUR_US, MINUTE_US
from gateway.plant.store.queries import find_asset
from gateway.plant.store.tree import list_way
from gateway.tables.plant import PlantAsset, PlantPoint

_SPARK_US, _SPARK_INTERVAL_US = 24 * HOUR_US, 30 * MINUTE_US
_STALE_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class AssetHead:
    """An asset with the assets above it, its health, and the account's zone and currency."""

    row: PlantAsset
    way: Sequence[PlantAsset]
    health: AssetHealth
    zone: ZoneInfo
    currency: str

    def context(self, plant: PlantPage) -> dict[str, Any]:
        """Return the variables of the templates of an asset's pages."""
        return {
            "row": self.row,
            "way": self.way,
            "health": self.health,
            "zone": self.zone,
            "currency": self.currency,
            "may": plant.may_change and self.row.retired_at is None,
            "may_predict": plant.may_predict and self.row.retired_at is None,
        }


@dataclass(frozen=True, slots=True)
class PointReading:
    """The newest reading of a point as text, and the path of its last 24 hours."""

    at: datetime | None = None
    value: str = "–"
    quality: str = ""
    stale: bool = False
    spark: str = ""


async def load_head(plant: PlantPage, session: AsyncSession, asset: str) -> AssetHead:
    """Return the head of an asset's pages. Raises PlantNodeNotFound."""
    account_id = plant.page.account_id
    row = await find_asset(session, account_id, asset)
    health = await plant.healths.of_account(session, account_id, plant.clock.now())
    return AssetHead(
        row,
        await list_way(session, account_id, row.id),
        health.get(row.id, UNKNOWN_HEALTH),
        await load_zone(session, account_id),
        await get_account_currency(session, account_id),
    )


async def load_verdicts(
    plant: PlantPage, session: AsyncSession, asset_id: UUID, limit: int, after: UUID | None = None
) -> tuple[list[VerdictView], UUID | None]:
    """Return a page of an asset's verdicts with their prices, and the id to go on after."""
    account_id = plant.page.account_id
    rows = await list_verdicts(session, account_id, asset_id, limit + 1, after)
    shown = rows[:limit]
    query = select(Usage).where(
        col(Usage.account_id) == account_id,
        col(Usage.request_id).in_([row.request_id for row in shown]),
    )
    usage = {row.request_id: row for row in (await session.scalars(query)).all()}
    views = [verdict_view(row, usage, plant.page.language) for row in shown]
    return views, shown[-1].id if len(rows) > limit else None


async def load_readings(
    plant: PlantPage, session: AsyncSession, points: Sequence[PlantPoint]
) -> Mapping[UUID, PointReading]:
    """Return the newest reading of points and the line of their last 24 hours."""
    page, now = plant.page, plant.clock.now()
    point_ids = [point.id for point in points]
    if not point_ids:
        return {}
    newest = await read_newest(session, page.account_id, point_ids)
    end = from_datetime(now) + 1
    within = TimeRange(end - _SPARK_US, end)
    lines = await read_aggregates(session, page.account_id, point_ids, within, _SPARK_INTERVAL_US)
    found = {}
    for point_id, one in newest.items():
        at, line = to_datetime(one.time_us), lines[point_id]
        span = (within.start_us, within.end_us)
        found[point_id] = PointReading(
            at=at,
            value="–" if one.value is None else number(plant, one.value),
            quality=quality_of(one.status).value,
            stale=now - at > _STALE_AFTER,
            spark=spark_path(line.starts.tolist(), line.means.tolist(), span) if len(line) else "",
        )
    return found


def number(plant: PlantPage, value: float) -> str:
    """Return a value with at most six significant digits in the page's language."""
    return plant.page.formatter.decimal(f"{value:.6g}")
