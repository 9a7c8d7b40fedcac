"""The readings of the points that an agent's rules name, over a period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.values import Rule
from gateway.agents.rules import NewestReading
from gateway.agents.running.observing import find_watched_points, point_of
from gateway.plant.predictions.points import read_usable_readings
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.queries import TimeRange
from gateway.plant.readings.values import SECOND_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PointHistory:
    """The readings of one point in order: times in microseconds, values in `unit`."""

    tag: str
    unit: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]

    def newest_at(self, at: datetime) -> NewestReading:
        """Return the newest reading at a time; without a value if there is none."""
        position = int(np.searchsorted(self.times, from_datetime(at), side="right")) - 1
        if position < 0:
            return NewestReading(self.tag, self.unit)
        time = _EPOCH + timedelta(microseconds=int(self.times[position]))
        return NewestReading(self.tag, self.unit, float(self.values[position]), time)


async def read_history(
    session: AsyncSession,
    account_id: UUID,
    asset_id: UUID,
    rules: Sequence[Rule],
    start: datetime,
    end: datetime,
) -> Mapping[str, PointHistory]:
    """Return the history for each rule whose point exists, by name of the rule.

    It begins before `start`, so that the first ticks know the newest reading. Raises
    ReadingsRangeTooLarge.
    """
    rows = (await find_watched_points(session, account_id, [asset_id], rules)).get(asset_id, ())
    points = {rule.name: row for rule in rules if (row := point_of(rule, rows)) is not None}
    if not points:
        return {}
    before_us = round(max(rule.stale_s for rule in rules) * SECOND_US)
    within = TimeRange(from_datetime(start) - before_us, from_datetime(end) + 1)
    point_ids = list({row.point_id for row in points.values()})
    found = await read_usable_readings(session, account_id, point_ids, within)
    nothing = np.empty(0, np.int64), np.empty(0)
    return {
        name: PointHistory(
            row.tag,
            row.unit,
            *((found[row.point_id].times, found[row.point_id].values)
              if row.point_id in found else nothing),
        )
        for name, row in points.items()
    }  # fmt: skip
