"""Read the points of a learned warning rule on its grid of time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.values import Comparison, Rule
from gateway.agents.running.observing import find_watched_points
from gateway.agents.warnings.history import Grid
from gateway.agents.warnings.settings import WarningSettings
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.queries import TimeRange, read_aggregates
from gateway.plant.readings.values import SECOND_US


async def find_point_rows(
    session: AsyncSession, account_id: UUID, asset_id: UUID, tags: Sequence[str]
) -> Mapping[str, Any]:
    """Return the points of an asset and its parts by tag, the nearest of each."""
    wanted = [Rule(name=tag, tag=tag, comparison=Comparison.ABOVE, limit=0.0) for tag in tags]
    rows = (await find_watched_points(session, account_id, [asset_id], wanted)).get(asset_id, ())
    return {row.tag: row for row in reversed(rows)}


async def read_grid(
    session: AsyncSession,
    account_id: UUID,
    points: Mapping[str, Any],
    settings: WarningSettings,
    start: datetime,
    end: datetime,
) -> Grid:
    """Return the whole ticks from `start` to `end`; a point that does not exist has no values.

    Ticks begin at multiples of their length.
    """
    tick_us = round(settings.every_s * SECOND_US)
    first, last = -(-from_datetime(start) // tick_us), from_datetime(end) // tick_us
    starts = np.arange(first, max(first, last), dtype=np.int64) * tick_us
    values = np.full((len(starts), len(settings.points)), np.nan)
    if not len(starts) or not points:
        return Grid(starts, values)
    within = TimeRange(int(starts[0]), int(starts[-1]) + tick_us)
    ids = list({row.point_id for row in points.values()})
    found = await read_aggregates(session, account_id, ids, within, tick_us)
    for column, tag in enumerate(settings.points):
        row = points.get(tag)
        rollup = None if row is None else found.get(row.point_id)
        if rollup is None:
            continue
        index = rollup.starts // tick_us - first
        inside = (index >= 0) & (index < len(starts))
        values[index[inside], column] = rollup.means[inside]
    return Grid(starts, values)
