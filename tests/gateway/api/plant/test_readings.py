"""`/v1/plant/readings` over HTTP: storing, reading, metering, and other accounts' points."""

import asyncio
import gzip
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.plant.readings.formats.times import format_time, from_datetime
from gateway.plant.readings.storage import compaction
from gateway.plant.readings.storage.compaction import compact
from gateway.plant.readings.storage.retention import RetentionDefaults, maintain_partitions
from gateway.plant.readings.values import Series
from gateway.tables import PlantPoint
from infra.clock import SystemClock
from tests.support.billing.making import sql
from tests.support.builders import Gateway, credit, customer
from tests.support.clocks import ShiftedClock
from tests.support.gateway.points import add_points, new_point

PATH = "/v1/plant/readings"
CLOCK = SystemClock()
# An hour that has ended, in the accepted window.
START_US = from_datetime(CLOCK.now() - timedelta(hours=30)) // 3_600_000_000 * 3_600_000_000
PRICE_NANO = 1_000


def reading(tag: str, second: float, value: Any, **more: Any) -> dict[str, Any]:
    """A reading some seconds after the start."""
    time = format_time(START_US + round(second * 1_000_000))
    return {"tag": tag, "time": time, "value": value, **more}


async def point(gateway: Gateway, tag: str = "PT1", **more: Any) -> PlantPoint:
    """A point of the gateway's account."""
    made = new_point(gateway.account.id, tag, **more)
    await add_points(gateway.parts.database, [made])
    return made


async def send(gateway: Gateway, *readings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Store readings, which must succeed."""
    answer = await gateway.http.post(PATH, json={"readings": list(readings), **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def read(gateway: Gateway, **parameters: Any) -> dict[str, Any]:
    """Read the first hours after the start, of `PT1` unless another point is named."""
    within = {"from": format_time(START_US), "to": format_time(START_US + 4 * 3_600_000_000)}
    answer = await gateway.http.get(PATH, params={"point": "PT1", **within, **parameters})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_stored_readings_are_read_billed_and_deduplicated(gateway: Gateway) -> None:
    made = await point(gateway)
    first = await send(gateway, *(reading("PT1", n, n / 2) for n in range(10)))
    assert (first["stored"], first["refused"]) == (10, 0)
    again = await gateway.http.post(
        PATH,
        json={"readings": [reading("PT1", 8, 4.0), reading("PT1", 9, 99.0), reading("PT1", 10, 5)]},
    )
    result = again.json()
    assert {name: result[name] for name in ("stored", "revised", "duplicates")} == {
        "stored": 2,
        "revised": 1,
        "duplicates": 1,
    }
    assert again.headers["x-maas-cost"] == "0.000002000"
    assert int(again.headers["x-ratelimit-remaining-requests"]) > 0

    series = (await read(gateway))["data"][0]
    assert series["point"] == f"pt_{made.id.hex}"
    assert series["values"] == [n / 2 for n in range(9)] + [99.0, 5.0]
    assert series["times"][0] == format_time(START_US)
    assert series["revised"] == [format_time(START_US + 9_000_000)]
    rows = await gateway.rows(2)
    assert [row["readings"] for row in rows] == [2, 10]
    assert [row["operation"] for row in rows] == ["readings", "readings"]
    assert (await gateway.reconciled()).differences == ()


async def test_compaction_keeps_readings_and_writes_rollups_once(gateway: Gateway) -> None:
    await point(gateway)
    database = gateway.parts.database
    await send(gateway, *(reading("PT1", 10 * n, n % 7) for n in range(720)))
    before = await read(gateway)
    aggregates = await read(gateway, aggregate="1h")
    assert await compact(database, CLOCK) == 2
    assert await compact(database, CLOCK) == 0
    assert await sql(database, "select count(*) from plant_reading_buffer") == [(0,)]
    assert await read(gateway) == before
    assert await read(gateway, aggregate="1h") == aggregates
    hour = aggregates["data"][0]
    assert (hour["count"], hour["times"]) == (
        [360, 360],
        [format_time(START_US), format_time(START_US + 3_600_000_000)],
    )
    # A late reading and a revision change the block and its aggregates.
    await send(gateway, reading("PT1", 5, 100.0), reading("PT1", 10, -5.0))
    late = (await read(gateway, aggregate="1h"))["data"][0]
    assert (late["max"][0], late["min"][0]) == (100.0, -5.0)
    assert await compact(database, CLOCK) == 1
    assert (await read(gateway, aggregate="1h"))["data"][0] == late
    assert (await read(gateway))["data"][0]["count"] == 721


async def test_expired_readings_are_dropped_by_account(gateway: Gateway) -> None:
    await point(gateway)
    database = gateway.parts.database
    await send(gateway, reading("PT1", 0, 1.0))
    await compact(database, CLOCK)
    clock, defaults = ShiftedClock(), RetentionDefaults(400, 1_000)
    clock.to(CLOCK.now() + timedelta(days=20))
    await maintain_partitions(database, clock, defaults)
    assert (await read(gateway))["data"][0]["count"] == 1
    answer = await gateway.http.put(f"{PATH}/settings", json={"retention_days": 10})
    assert (answer.json()["retention_days"], answer.json()["max_age_days"]) == (10, 10)
    await maintain_partitions(database, clock, defaults)
    assert (await read(gateway))["data"][0]["count"] == 0
    assert (await read(gateway, aggregate="1h"))["data"][0]["count"] == [1]
    # Without an account that keeps them longer, partitions are dropped.
    clock.to(CLOCK.now() + timedelta(days=2_000))
    await maintain_partitions(database, clock, defaults)
    tables = await sql(database, "select count(*) from pg_tables where schemaname = 'readings'")
    assert tables[0][0] <= 6


async def test_wrong_readings_are_reported_by_index_and_others_are_stored(
    gateway: Gateway,
) -> None:
    await point(gateway)
    await point(gateway, "RUN", unit="", data_type="boolean")
    await point(gateway, "TEXT", unit="", data_type="text")
    year = format_time(from_datetime(CLOCK.now() + timedelta(days=365)))
    result = await send(
        gateway,
        reading("PT1", 0, 20.5),
        reading("NONE", 0, 1),
        reading("PT1", 1, "warm"),
        reading("PT1", 2, None),
        reading("PT1", 3, None, quality="bad"),
        {"tag": "PT1", "time": year, "value": 1},
        {"tag": "PT1", "time": "2001-01-01T00:00:00Z", "value": 1},
        {"tag": "PT1", "time": "2026-01-01T00:00:00", "value": 1},
        reading("PT1", 4, 68.0, unit="degF"),
        reading("PT1", 5, 1, unit="kg"),
        reading("RUN", 0, True),
        reading("RUN", 1, 2),
        reading("TEXT", 0, "on"),
        {"time": 0, "value": 1},
        reading("PT1", 6, 1, quality="excellent"),
        reading("PT1", 7, 3.0, quality=0x40920000),
    )
    codes = {error["index"]: error["code"] for error in result["errors"]}
    assert codes == {
        1: "point_not_found",
        2: "value_invalid",
        3: "value_missing",
        5: "time_in_future",
        6: "time_too_old",
        7: "invalid_value",
        9: "unit_inconvertible",
        11: "value_invalid",
        12: "data_type_unsupported",
        13: "invalid_value",
        14: "invalid_value",
    }
    assert (result["received"], result["stored"], result["refused"]) == (16, 5, 11)
    series = (await read(gateway))["data"][0]
    assert series["values"] == pytest.approx([20.5, None, 20.0, 3.0])
    assert series["qualities"] == ["good", "bad", "good", "uncertain"]


async def test_other_accounts_points_are_not_found(gateway: Gateway) -> None:
    other, _ = await customer(gateway.parts.database, gateway.parts.settings, "Other")
    (foreign,) = await add_points(gateway.parts.database, [new_point(other.id, "PT1")])
    by_id = {"point": f"pt_{foreign.hex}", "time": format_time(START_US), "value": 1}
    result = await send(gateway, reading("PT1", 0, 1), by_id)
    assert {error["code"] for error in result["errors"]} == {"point_not_found"}
    for name in ("PT1", f"pt_{foreign.hex}"):
        answer = await gateway.http.get(PATH, params={"point": name})
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            404,
            "plant_point_not_found",
        )


async def test_unknown_tags_create_points_up_to_the_limit_where_allowed(gateway: Gateway) -> None:
    answer = await gateway.http.put(f"{PATH}/settings", json={"unknown_tags": "create"})
    assert answer.json()["unknown_tags"] == "create"
    assert (answer.json()["price_per_million"], answer.json()["currency"]) == ("1.000000000", "CNY")
    limit = gateway.parts.settings.readings_max_points
    database = gateway.parts.database
    await add_points(database, [new_point(gateway.account.id, f"OLD{n}") for n in range(2)])
    object.__setattr__(gateway.parts.settings, "readings_max_points", 3)
    try:
        result = await send(gateway, reading("NEW1", 0, 1.5, unit="kPa"), reading("NEW2", 0, True))
    finally:
        object.__setattr__(gateway.parts.settings, "readings_max_points", limit)
    assert (result["stored"], [error["index"] for error in result["errors"]]) == (1, [1])
    found = await sql(database, "select unit, data_type from plant_point where tag like 'NEW%'")
    assert found == [("kPa", "number")]


async def test_csv_lines_and_gzip_are_stored(gateway: Gateway) -> None:
    for tag in ("a", "b.speed", "c"):
        await point(gateway, tag, unit="")
    csv = f"time,tag,value,quality\n{format_time(START_US)},a,1.5,uncertain\n"
    answer = await gateway.http.post(PATH, content=csv, headers={"content-type": "text/csv"})
    assert answer.json()["stored"] == 1
    nanoseconds = START_US * 1000
    lines = f"# comment\nb,plant=x speed=3i,on=t {nanoseconds}\nx,tag=c value=2.5 {nanoseconds}\n"
    answer = await gateway.http.post(
        f"{PATH}/influx/api/v2/write?org=o&bucket=b",
        content=gzip.compress(lines.encode()),
        headers={
            "content-encoding": "gzip",
            "authorization": gateway.http.headers["authorization"].replace("Bearer", "Token"),
        },
    )
    assert answer.status_code == 400
    assert "Reading 1" in answer.json()["error"]["message"]
    data = await read(gateway, point=["a", "b.speed", "c"])
    assert [one["values"] for one in data["data"]] == [[1.5], [3.0], [2.5]]
    answer = await gateway.http.get(
        PATH,
        params={"point": "a", "from": format_time(START_US), "to": format_time(START_US + 1)},
        headers={"accept": "text/csv"},
    )
    assert answer.text.splitlines()[1] == f"{format_time(START_US)},a,1.5,uncertain"


async def test_sources_report_clock_skew(gateway: Gateway) -> None:
    await point(gateway)
    behind = format_time(from_datetime(CLOCK.now() - timedelta(minutes=5)))
    result = await send(gateway, reading("PT1", 0, 1), source="line-1", sent_at=behind)
    assert 299_000 < result["clock_skew_ms"] < 330_000
    await send(gateway, reading("X", 0, 1), source="line-1")
    (source,) = (await gateway.http.get(f"{PATH}/sources")).json()["data"]
    assert (source["name"], source["accepted"], source["refused"]) == ("line-1", 1, 1)
    assert source["clock_skew_ms"] == result["clock_skew_ms"]


async def _refused(gateway: Gateway, content: bytes, **headers: str) -> tuple[int, Any]:
    """Status and code of a request that is refused."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await gateway.http.post(PATH, content=content, headers=names)
    return answer.status_code, answer.json()["error"]["code"]


async def test_invalid_bodies_are_refused_in_the_documented_shape(gateway: Gateway) -> None:
    many = b'{"readings":[' + b",".join([b"{}"] * 50_001) + b"]}"
    bomb = gzip.compress(b"\0" * (65 << 20))
    found = [
        await _refused(gateway, b"[", content_type="application/json"),
        await _refused(gateway, b'{"readings": 1}', content_type="application/json"),
        await _refused(gateway, b"time,value\n", content_type="text/csv"),
        await _refused(gateway, b"\xff", content_type="text/plain"),
        await _refused(gateway, b"a", content_type="application/xml"),
        await _refused(gateway, b"a", content_type="text/csv", content_encoding="br"),
        await _refused(gateway, b"a", content_type="text/csv", content_encoding="gzip"),
        await _refused(gateway, bomb, content_type="text/csv", content_encoding="gzip"),
        await _refused(gateway, many, content_type="application/json"),
        await _refused(gateway, b"x\n" * 150_000, content_type="text/csv"),
        await _refused(gateway, b"x\n" * 150_000, content_type="text/plain"),
    ]
    assert found == [
        *[(400, "plant_readings_invalid")] * 4,
        *[(415, "readings_format_unsupported")] * 2,
        (400, "plant_readings_invalid"),
        (413, "request_too_large"),
        *[(400, "too_many_readings")] * 3,
    ]


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({}, 400, "invalid_value"),
        ({"point": "PT1", "from": "yesterday"}, 400, "invalid_value"),
        ({"point": "PT1", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, 400, None),
        ({"point": "PT1", "max_points": "9999"}, 400, "invalid_value"),
        ({"point": "PT1", "aggregate": "5m"}, 400, "invalid_value"),
        (
            {
                "point": "PT1",
                "from": "2025-01-01T00:00:00Z",
                "to": "2026-01-01T00:00:00Z",
                "aggregate": "1m",
            },
            400,
            "readings_range_too_large",
        ),
    ],
)
async def test_invalid_queries_are_refused(
    gateway: Gateway, parameters: dict[str, str], status: int, code: str | None
) -> None:
    await point(gateway)
    answer: httpx.Response = await gateway.http.get(PATH, params=parameters)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == (code or "invalid_value")


async def test_readings_beyond_the_credit_are_refused_and_not_stored(limited: Any) -> None:
    async with limited(credit(5 * PRICE_NANO)) as gateway:
        await point(gateway)
        body = {"readings": [reading("PT1", n, n) for n in range(10)]}
        answer = await gateway.http.post(PATH, json=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (429, "insufficient_quota")
        assert (await read(gateway))["data"][0]["count"] == 0


async def test_equal_requests_at_once_are_stored_and_billed_once(gateway: Gateway) -> None:
    await point(gateway)
    await point(gateway, "PT2")
    readings = [reading(tag, n, n) for n in range(50) for tag in ("PT1", "PT2")]
    results = await asyncio.gather(*(send(gateway, *readings) for _ in range(3)))
    assert sorted(result["stored"] for result in results) == [0, 0, 100]
    assert sum(result["duplicates"] for result in results) == 200
    assert sum(row["readings"] for row in await gateway.rows(3)) == 100


async def test_interrupted_and_concurrent_compaction_loses_and_doubles_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await point(gateway)
    database = gateway.parts.database
    await send(gateway, *(reading("PT1", 60 * n, n) for n in range(150)))
    before = await read(gateway)

    def fail(_series: Series, level: int = 0) -> bytes:
        raise RuntimeError("stopped in the middle")

    with monkeypatch.context() as broken:
        broken.setattr(compaction, "encode", fail)
        with pytest.raises(RuntimeError, match="stopped"):
            await compact(database, CLOCK)
    assert await sql(database, "select count(*) from plant_reading_block") == [(0,)]
    assert await read(gateway) == before
    merged = await asyncio.gather(*(compact(database, CLOCK) for _ in range(2)))
    assert max(merged) == 3
    assert await sql(database, "select count(*), sum(count) from plant_reading_block") == [(3, 150)]
    assert await read(gateway) == before


async def test_readings_after_a_replaced_sensor_belong_to_the_new_point(gateway: Gateway) -> None:
    old = await point(gateway, unit="degC")
    await send(gateway, reading("PT1", 0, 20.0), reading("PT1", 10, 21.0))
    old_id = f"pt_{old.id.hex}"
    answer = await gateway.http.post(f"/v1/plant/points/{old_id}/replace", json={"unit": "K"})
    new_id = answer.json()["id"]
    # A late reading of the old sensor goes by its tag to the point that has it now.
    result = await send(gateway, reading("PT1", 20, 300.0), reading("PT1", 10, 294.0))
    assert (result["stored"], result["duplicates"], result["revised"]) == (2, 0, 0)
    (by_tag,) = (await read(gateway))["data"]
    assert (by_tag["point"], by_tag["values"]) == (new_id, [294.0, 300.0])
    (before,) = (await read(gateway, point=old_id))["data"]
    assert (before["point"], before["values"]) == (old_id, [20.0, 21.0])
    both = (await read(gateway, point=["PT1", old_id]))["data"]
    assert [one["point"] for one in both] == [new_id, old_id]
    late = {"point": old_id, "time": format_time(START_US + 30_000_000), "value": 22.0}
    refused = await send(gateway, late)
    assert [one["code"] for one in refused["errors"]] == ["point_not_found"]


async def test_late_and_out_of_order_readings_change_series_and_aggregates(
    gateway: Gateway,
) -> None:
    await point(gateway)
    await send(gateway, *(reading("PT1", second, float(second)) for second in (50, 10, 30)))
    late = await send(gateway, reading("PT1", 20, 100.0), reading("PT1", 20, 90.0))
    assert (late["stored"], late["duplicates"]) == (1, 1)
    await compact(gateway.parts.database, CLOCK)
    later = await send(gateway, reading("PT1", 5, 200.0), reading("PT1", 30, 30.0))
    assert (later["stored"], later["duplicates"], later["revised"]) == (1, 1, 0)
    revised = await send(gateway, reading("PT1", 30, 31.0))
    assert (revised["stored"], revised["revised"]) == (1, 1)
    (series,) = (await read(gateway))["data"]
    assert series["values"] == [200.0, 10.0, 90.0, 31.0, 50.0]
    (minute,) = (await read(gateway, aggregate="1m"))["data"]
    assert (minute["min"], minute["max"], minute["count"]) == ([10.0], [200.0], [5])
