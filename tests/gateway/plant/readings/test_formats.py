"""Formats of readings: JSON, CSV, line protocol, times, qualities and bounded gzip."""

import gzip
from typing import Any

import msgspec
import pytest

from gateway.plant.readings.formats.batch import MAX_ERRORS, PointKey, ReadingBatch
from gateway.plant.readings.formats.compression import (
    CompressedInvalid,
    CompressedTooLarge,
    decompress_gzip,
)
from gateway.plant.readings.formats.csv_format import CsvInvalid, read_csv
from gateway.plant.readings.formats.json_format import decode_json, read_json
from gateway.plant.readings.formats.line_protocol import read_lines
from gateway.plant.readings.formats.times import format_time, parse_time
from gateway.plant.readings.quality import BAD, UNCERTAIN, Quality, parse_quality, quality_of


def found(batch: ReadingBatch) -> dict[str, list[tuple[int, int, object]]]:
    """Position, time and value of the readings by tag."""
    return {
        key.name: list(zip(group.indexes, group.times, group.values, strict=True))
        for key, group in batch.items()
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T08:00:01.5+08:00", 1_500_000),
        (1.25, 1_250_000),
        ("1.25", 1_250_000),
        (0, 0),
    ],
)
def test_times_are_microseconds(value: object, expected: int) -> None:
    assert parse_time(value) == expected


@pytest.mark.parametrize(
    "value",
    ["2026-01-01T00:00:00", "now", "", "nan", -1, True, None, float("inf"), 10**30, [], "1e999"],
)
def test_other_times_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="`time`"):
        parse_time(value)


def test_times_are_shown_with_the_digits_that_they_have() -> None:
    assert format_time(1_500_000) == "1970-01-01T00:00:01.500000Z"
    assert format_time(1_000_000) == "1970-01-01T00:00:01Z"


def test_qualities_are_names_or_status_codes() -> None:
    assert [parse_quality(one) for one in (None, "", "Good", "uncertain", " BAD", 7, "7")] == [
        *(0, 0, 0, UNCERTAIN, BAD, 7, 7)
    ]
    assert [quality_of(one) for one in (0, UNCERTAIN + 5, BAD + 5, 0xFFFFFFFF)] == [
        *(Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)
    ]
    for wrong in ("fine", -1, 2**32, True, 1.0, []):
        with pytest.raises(ValueError, match="quality"):
            parse_quality(wrong)


def test_json_readings_are_read_loosely() -> None:
    readings: list[dict[str, Any]] = [
        {"tag": "a", "time": 1, "value": 2},
        {"point": "point_1", "time": 1, "value": True, "unit": "K"},
        {"tag": "a", "point": "b", "time": 1, "value": 2},
        {"tag": ["a"], "time": 1},
        {"tag": "a", "time": "x", "value": 1},
        {"tag": "  ", "time": 1},
        {"tag": "a", "time": 2, "value": None, "quality": "bad"},
        {"tag": "a", "time": 2, "unit": 5},
    ]
    batch = read_json(decode_json(msgspec.json.encode({"readings": readings})))
    assert found(batch) == {
        "a": [(0, 1_000_000, 2), (6, 2_000_000, None)],
        "point_1": [(1, 1_000_000, True)],
    }
    assert PointKey("point_1", True, "K") in batch.groups
    assert [one.index for one in batch.errors] == [2, 3, 4, 5, 7]
    assert (batch.total, batch.refused) == (8, 5)


def test_errors_are_bounded_and_counted() -> None:
    batch = read_json(decode_json(msgspec.json.encode({"readings": [{}] * 1_000})))
    assert (len(batch.errors), batch.refused) == (MAX_ERRORS, 1_000)


def test_csv_rows_are_read_and_wrong_ones_reported() -> None:
    text = (
        "\ufeffTime,tag,value,quality\n1,a,1.5,\n2,a,,bad\n3,a,true,good\n4,a,text,\n5,a,1\n\n"
        'x,a,1,\n6,,1,\n7,"b,c",nan,uncertain\n'
    )
    batch = read_csv(text)
    assert [value for _, _, value in found(batch)["a"]] == [1.5, None, True, "text"]
    assert [one.index for one in batch.errors] == [4, 5, 6]
    assert found(batch)["b,c"][0][:2] == (7, 7_000_000)


@pytest.mark.parametrize(
    "text",
    ["", "time,value\n", "time,tag,point,value\n", "time,tag,value,size\n", 'time,tag,value\n"a'],
)
def test_csv_without_its_columns_is_refused(text: str) -> None:
    with pytest.raises(CsvInvalid):
        read_csv(text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("m value=1.5 2000000000", {"m": [(0, 2_000_000, 1.5)]}),
        ("m,x=y speed=3i 2000000000", {"m.speed": [(0, 2_000_000, 3.0)]}),
        ("m,tag=PT1 v=2", {"PT1": [(0, 9, 2.0)]}),
        ("m,tag=PT1 a=1,b=t", {"PT1.a": [(0, 9, 1.0)], "PT1.b": [(1, 9, True)]}),
        (r"my\ line,tag=a\,b value=-1e3", {"a,b": [(0, 9, -1000.0)]}),
        ('m state="a b, \\"c\\"",value=1', {"m.state": [(0, 9, 'a b, "c"')], "m": [(1, 9, 1.0)]}),
    ],
)
def test_line_protocol_fields_are_readings(line: str, expected: Any) -> None:
    assert found(read_lines(f"# note\n\n{line}\n", "ns", 9)) == expected


def test_line_protocol_describes_fields_by_quality_and_unit() -> None:
    batch = read_lines('m value=1,quality="bad",unit="kPa" 5', "s", 0)
    ((key, group),) = batch.items()
    assert (key.unit, group.statuses, group.times) == ("kPa", [BAD], [5_000_000])


@pytest.mark.parametrize(
    "line",
    [
        *("m", "m value", "m value= 1", "m value=abc", ",a=b value=1", "m,a value=1", 'm v="a'),
        *("m value=1 x", "m value=1 2 3", "m value=1 -5", "m quality=1", "m value=1,quality=1e999"),
        "m value=1 999999999999999999999",
    ],
)
def test_wrong_lines_are_reported(line: str) -> None:
    batch = read_lines(f"{line}\nok value=1", "ns", 0)
    assert [one.index for one in batch.errors] == [0]
    assert found(batch)["ok"][0][0] == 1


def test_gzip_is_bounded_and_checked() -> None:
    content = gzip.compress(b"a" * 100) + gzip.compress(b"b")
    assert decompress_gzip(content, 101) == b"a" * 100 + b"b"
    with pytest.raises(CompressedTooLarge):
        decompress_gzip(content, 100)
    for damaged in (b"", content[:-5], b"text", content + b"x"):
        with pytest.raises(CompressedInvalid):
            decompress_gzip(damaged, 1_000)
