"""How an account's readings are kept: its own settings, else the deployment's."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.readings.acceptance import TimeWindow
from gateway.plant.readings.formats.times import from_datetime
from gateway.tables import PlantReadingSettings
from infra.settings import Settings

CREATE_POINTS = "create"


@dataclass(frozen=True, slots=True)
class ReadingPolicy:
    """The rules for an account's readings. Times are in days, the tolerance in seconds."""

    retention_days: int
    rollup_retention_days: int
    unknown_tags: str
    max_age_days: int
    future_s: float
    max_points: int

    def window(self, now: datetime) -> TimeWindow:
        """Return the times that are accepted now: late readings, but none that expire at once."""
        days = min(self.max_age_days, self.retention_days)
        return TimeWindow(
            from_datetime(now - timedelta(days=days)),
            from_datetime(now + timedelta(seconds=self.future_s)),
        )


async def load_policy(session: AsyncSession, settings: Settings, account_id: UUID) -> ReadingPolicy:
    """Return the rules for an account's readings."""
    own = await session.get(PlantReadingSettings, account_id)
    own = own or PlantReadingSettings(account_id=account_id)
    return ReadingPolicy(
        own.retention_days or settings.readings_retention_days,
        own.rollup_retention_days or settings.readings_rollup_retention_days,
        own.unknown_tags or settings.readings_unknown_tags,
        settings.readings_max_age_days,
        settings.readings_future_s,
        settings.readings_max_points,
    )


async def save_policy(
    session: AsyncSession,
    account_id: UUID,
    retention_days: int | None,
    rollup_retention_days: int | None,
    unknown_tags: str | None,
) -> None:
    """Replace an account's own settings; None is the deployment's."""
    values = {
        "retention_days": retention_days,
        "rollup_retention_days": rollup_retention_days,
        "unknown_tags": unknown_tags,
    }
    statement = insert(PlantReadingSettings).values(account_id=account_id, **values)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["account_id"], set_=values)
    )
