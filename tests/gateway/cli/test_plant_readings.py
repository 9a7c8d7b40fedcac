"""`maas plant readings`: a point's readings, sources, and how an account's are kept."""

from datetime import timedelta

from gateway.plant.readings.acceptance import AcceptedReadings
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.sources import record_source
from gateway.plant.readings.storage.writing import store_readings
from gateway.plant.readings.values import Series
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support.gateway.commands import Maas
from tests.support.gateway.points import add_points, new_point

CLOCK = SystemClock()


async def test_readings_sources_and_settings_are_shown_and_set(
    maas: Maas, database: Database
) -> None:
    account_id = maas.firm.account.id
    (point,) = await add_points(database, [new_point(account_id, "P1", unit="kPa")])
    time = from_datetime(CLOCK.now() - timedelta(minutes=5))
    series = Series.of([time, time + 1_000_000], [1.5, float("nan")], [0, 0x80000000])
    async with database.transaction() as session:
        await store_readings(session, account_id, AcceptedReadings({point: series}, 0))
        await record_source(session, CLOCK, account_id, "line-1", -250, 2, 1)
    shown = await maas.say("plant", "readings", "show", "Acme", "P1")
    assert [(one["value"], one["unit"], one["quality"]) for one in shown] == [
        (1.5, "kPa", "good"),
        (None, "kPa", "bad"),
    ]
    (source,) = await maas.say("plant", "readings", "sources", "Acme")
    assert (source["name"], source["clock_skew_ms"], source["refused"]) == ("line-1", -250, 1)
    settings = ("plant", "readings", "settings", "Acme")
    assert (await maas.say(*settings))["retention_days"] == 400
    changed = await maas.say(*settings, "--retention-days", "30", "--unknown-tags", "create")
    assert (changed["retention_days"], changed["unknown_tags"]) == (30, "create")
    assert (await maas.say(*settings, "--reset"))["unknown_tags"] == "reject"
    assert await maas.refuse(*settings, "--unknown-tags", "guess") == "invalid_value"
    missing = await maas.refuse("plant", "readings", "show", "Acme", "P2")
    assert missing == "plant_point_not_found"
