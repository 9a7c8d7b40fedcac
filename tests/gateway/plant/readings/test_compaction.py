"""Merging of buffered readings: hours with damaged bytes stay, and hold up no others.

Readings are of the morning of 1 October 2026; the clock stands at noon.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from gateway.plant.readings.acceptance import AcceptedReadings
from gateway.plant.readings.codec import BlockDamaged, decode, encode
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage import compaction
from gateway.plant.readings.storage.compaction import UnmergedHours, compact
from gateway.plant.readings.storage.retention import RetentionDefaults
from gateway.plant.readings.storage.upkeep import ReadingUpkeep
from gateway.plant.readings.storage.writing import store_readings
from gateway.plant.readings.values import HOUR_US, Series
from infra.database.database import Database
from tests.support.billing.making import customer, sql
from tests.support.gateway.points import add_points, new_point
from tests.support.stories.story import Calendar

# The first byte is a version that no release has.
_UNKNOWN = b"\x63" + bytes(60)


@dataclass(frozen=True)
class Plant:
    """A database with points, and its clock."""

    database: Database
    clock: Calendar

    @property
    def first_hour(self) -> int:
        return from_datetime(self.clock.at(2026, 10, 1, 6)) // HOUR_US

    async def point(self, name: str) -> tuple[UUID, UUID]:
        """A new account and a point of it."""
        account_id = (await customer(self.database, name=name)).account_id
        (point_id,) = await add_points(self.database, [new_point(account_id, "T1")])
        return account_id, point_id

    async def store(self, of: tuple[UUID, UUID], hour: int, *values: float) -> None:
        """Store readings of a point: one each second from the begin of an hour after the first."""
        start_us = (self.first_hour + hour) * HOUR_US
        times = [start_us + second * 1_000_000 for second in range(len(values))]
        accepted = AcceptedReadings({of[1]: Series.of(times, values)}, 0)
        async with self.database.transaction() as session:
            await store_readings(session, of[0], accepted)

    async def damage(self, of: tuple[UUID, UUID], data: bytes = _UNKNOWN) -> None:
        """Replace the bytes of all buffered readings of a point."""
        replace = "update plant_reading_buffer set data = :data where point_id = :of"
        await sql(self.database, replace, data=data, of=of[1])

    async def buffered(self) -> Sequence[Any]:
        """The rows of the buffer."""
        return await sql(self.database, "select * from plant_reading_buffer order by id")

    async def merged(self, of: tuple[UUID, UUID]) -> list[tuple[int, list[float]]]:
        """The hours after the first one that are merged, with the values of the point."""
        select = "select hour, data from plant_reading_block where point_id = :of order by hour"
        rows = await sql(self.database, select, of=of[1])
        return [(hour - self.first_hour, decode(data).values.tolist()) for hour, data in rows]


@pytest.fixture
def plant(database: Database) -> Plant:
    clock = Calendar()
    clock.set(2026, 10, 1, 12)
    return Plant(database, clock)


async def test_damaged_hour_stays_in_the_buffer_and_the_others_are_merged(plant: Plant) -> None:
    bad, good = await plant.point("Bad"), await plant.point("Good")
    await plant.store(bad, 0, 1.0, 2.0)
    await plant.damage(bad)
    damaged = await plant.buffered()
    await plant.store(bad, 1, 3.0)
    await plant.store(good, 0, 4.0)
    with capture_logs() as logs:
        assert await compact(plant.database, plant.clock) == 2
    assert await plant.buffered() == damaged
    assert (await plant.merged(bad), await plant.merged(good)) == ([(1, [3.0])], [(0, [4.0])])
    rollups = "select hour from plant_reading_rollup where point_id = :of"
    assert await sql(plant.database, rollups, of=bad[1]) == [(plant.first_hour + 1,)]
    (line,) = logs
    assert (line["log_level"], line["hours"], line["point"]) == ("error", 1, bad[1].hex)
    assert line["reason"] == "a block of readings is damaged"


async def test_readings_above_a_damaged_block_wait_and_neither_is_changed(plant: Plant) -> None:
    bad, good = await plant.point("Bad"), await plant.point("Good")
    await plant.store(bad, 0, 1.0)
    assert await compact(plant.database, plant.clock) == 1
    await plant.store(bad, 0, 1.0, 2.0)
    await plant.store(good, 0, 4.0)
    await sql(plant.database, "update plant_reading_block set data = :data", data=_UNKNOWN)
    waiting = (await plant.buffered())[:1]
    assert await compact(plant.database, plant.clock) == 1
    assert await plant.buffered() == waiting
    blocks = "select data from plant_reading_block where point_id = :of"
    assert await sql(plant.database, blocks, of=bad[1]) == [(_UNKNOWN,)]
    assert await plant.merged(good) == [(0, [4.0])]


async def test_damaged_hours_that_fill_a_batch_do_not_keep_later_ones_waiting(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "_BATCH", 2)
    bad, good = await plant.point("Bad"), await plant.point("Good")
    for hour in range(3):
        await plant.store(bad, hour, 1.0)
    await plant.damage(bad)
    for hour in range(3):
        await plant.store(good, hour + 1, 2.0)
    assert await compact(plant.database, plant.clock) == 3
    assert await plant.merged(good) == [(hour, [2.0]) for hour in (1, 2, 3)]
    assert len(await plant.buffered()) == 3


async def test_hour_with_more_readings_than_a_block_holds_does_not_stop_the_others(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, good = await plant.point("Large"), await plant.point("Good")
    await plant.store(large, 0, 1.0, 2.0, 3.0)
    await plant.store(good, 0, 4.0)

    def limited(series: Series) -> bytes:
        if len(series) > 2:
            raise ValueError("a block has at most 2 readings")
        return encode(series)

    monkeypatch.setattr(compaction, "encode", limited)
    assert await compact(plant.database, plant.clock) == 1
    assert await plant.merged(good) == [(0, [4.0])]
    assert len(await plant.buffered()) == 1


async def test_damaged_hour_is_left_out_for_six_hours_and_then_tried_again(plant: Plant) -> None:
    bad, unmerged = await plant.point("Bad"), UnmergedHours()
    await plant.store(bad, 0, 1.0)
    ((*_, sound),) = await plant.buffered()
    await plant.damage(bad)
    for _ in range(2):
        assert await compact(plant.database, plant.clock, unmerged) == 0
        assert unmerged.found == 1
    plant.clock.pass_(hours=6)
    assert await compact(plant.database, plant.clock, unmerged) == 0
    assert unmerged.found == 2
    await plant.damage(bad, sound)
    plant.clock.pass_(hours=5, minutes=59)
    assert await compact(plant.database, plant.clock, unmerged) == 0
    plant.clock.pass_(minutes=1)
    assert await compact(plant.database, plant.clock, unmerged) == 1
    assert await plant.merged(bad) == [(0, [1.0])]


async def test_job_fails_after_the_others_are_merged_when_hours_are_newly_found_damaged(
    plant: Plant,
) -> None:
    bad, good = await plant.point("Bad"), await plant.point("Good")
    await plant.store(bad, 0, 1.0)
    await plant.damage(bad)
    await plant.store(good, 0, 2.0)
    upkeep = ReadingUpkeep(plant.database, plant.clock, RetentionDefaults(400, 1_000))
    with pytest.raises(BlockDamaged, match="1 hours of readings"):
        await upkeep()
    assert await plant.merged(good) == [(0, [2.0])]
    await upkeep()
    plant.clock.pass_(hours=6)
    with pytest.raises(BlockDamaged, match="1 hours of readings"):
        await upkeep()
