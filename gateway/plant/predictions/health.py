"""The health of assets, from the newest verdict of each model on each asset, with all its parts.

A verdict counts for VERDICT_DAYS. `yes` of any model means attention, `uncertain` means watch, `no`
means good; figures and classes alone say nothing about health. An asset is as its worst part.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.assets.limits import MAX_DEPTH
from models.findings import Verdict

VERDICT_DAYS = 7


class Health(StrEnum):
    """How an asset is, the worst first."""

    ATTENTION = "attention"
    WATCH = "watch"
    GOOD = "good"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class AssetHealth:
    """The health of an asset by its own verdicts, and with its parts; `alarms` are the assets
    in attention among both."""

    own: Health = Health.UNKNOWN
    whole: Health = Health.UNKNOWN
    alarms: int = 0


UNKNOWN_HEALTH = AssetHealth()
_LEVELS = (Health.UNKNOWN, Health.GOOD, Health.WATCH, Health.ATTENTION)
_SELECT = text("""
    with recursive newest as (
        select distinct on (asset_id, model) asset_id, finding ->> 'verdict' as verdict
        from plant_verdict where account_id = :account_id and created_at >= :since
        order by asset_id, model, id desc
    ), own as (
        select asset_id,
               max(case verdict when :yes then 3 when :uncertain then 2 when :no then 1 else 0 end)
               as level
        from newest group by asset_id
    ), up(id, level, depth) as (
        select asset_id, level, 0 from own where level > 0
        union all
        select asset.parent_id, up.level, up.depth + 1
        from up join plant_asset asset on asset.id = up.id
        where asset.parent_id is not null and asset.account_id = :account_id
          and asset.retired_at is null and up.depth < :most
    )
    select id, coalesce(max(level) filter (where depth = 0), 0) as own, max(level) as whole,
           count(*) filter (where level = 3) as alarms
    from up group by id
""")


async def load_health(
    session: AsyncSession, account_id: UUID, now: datetime
) -> Mapping[UUID, AssetHealth]:
    """Return the health of the assets of an account that have verdicts, or parts with some."""
    parameters: dict[str, Any] = {
        "account_id": account_id,
        "since": now - timedelta(days=VERDICT_DAYS),
        "most": MAX_DEPTH,
        "yes": Verdict.YES.value,
        "no": Verdict.NO.value,
        "uncertain": Verdict.UNCERTAIN.value,
    }
    rows = (await session.execute(_SELECT, parameters)).all()
    return {row.id: AssetHealth(_LEVELS[row.own], _LEVELS[row.whole], row.alarms) for row in rows}
