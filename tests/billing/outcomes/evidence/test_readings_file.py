"""Readings files: rows of CSV and JSON, typed, validated and without duplicates."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.evidence.log import MAX_BYTES
from billing.outcomes.evidence.readings_file import (
    MAX_ROWS,
    EvidenceInvalid,
    ReadingRow,
    parse_readings,
)
from tests.support.outcomes.contract_texts import EVENT, MEASURE

TERMS = parse_contract_toml(MEASURE)
APART = parse_contract_toml(
    MEASURE.replace(
        "[measure]",
        '[measure]\ndesign = "holdout"\nmachines = { having = ["M1"], lacking = ["M2"] }',
    )
)
NOW = datetime(2026, 11, 10, tzinfo=UTC)
HEAD = "at,value,unit,parts\n"
FIRST = "2026-11-01T00:00:00+08:00,412.5,kWh,1180\n"
SECOND = "2026-11-02T00:00:00+08:00,0,kWh,-3.25\n"
READ = (
    ReadingRow(
        datetime(2026, 10, 31, 16, tzinfo=UTC), Decimal("412.5"), "kWh", {"parts": Decimal(1180)}
    ),
    ReadingRow(
        datetime(2026, 11, 1, 16, tzinfo=UTC), Decimal(0), "kWh", {"parts": Decimal("-3.25")}
    ),
)


class TestReadingsParsing:
    @pytest.mark.parametrize(
        "text",
        [
            HEAD + FIRST + SECOND,
            HEAD + SECOND + FIRST,
            "\ufeff" + (HEAD + FIRST + SECOND).replace("\n", "\r\n"),
            f"{HEAD}\n{FIRST}\n\n{SECOND[:-1]}",
            HEAD.replace(",", " , ") + FIRST.replace(",", " , ") + SECOND,
            "parts,unit,at,value\n1180,kWh,2026-11-01,412.5\n-3.25,kWh,2026-11-02T00:00,0",
        ],
    )
    def test_csv_rows_are_parsed_in_time_order(self, text: str) -> None:
        read = parse_readings(text, TERMS, NOW)
        assert (read.rows, read.duplicates) == (READ, 0)

    def test_json_rows_are_parsed_in_time_order(self) -> None:
        names = HEAD.strip().split(",")
        rows = [
            dict(zip(names, row.strip().split(","), strict=True)) for row in (SECOND, FIRST, FIRST)
        ]
        text = " " + msgspec.json.encode({"readings": rows}).decode()
        read = parse_readings(text, TERMS, NOW)
        assert (read.rows, read.duplicates) == (READ, 1)

    def test_machine_and_meter_columns_are_parsed(self) -> None:
        text = (
            "at,machine,value,unit,meter,parts\n"
            "2026-11-01,M2,1,kWh,4711,1\n2026-11-01,M1,2,kWh,4712,1"
        )
        rows = parse_readings(text, APART, NOW).rows
        assert [(one.machine, one.meter, one.value) for one in rows] == [
            ("M1", "4712", 2),
            ("M2", "4711", 1),
        ]

    def test_value_in_a_compatible_unit_is_not_converted(self) -> None:
        """Conversion happens in the measurement."""
        (row,) = parse_readings(HEAD + FIRST.replace("kWh", "MWh"), TERMS, NOW).rows
        assert (row.value, row.unit) == (Decimal("412.5"), "MWh")

    def test_duplicate_row_is_dropped_and_counted(self) -> None:
        read = parse_readings(HEAD + FIRST + SECOND + FIRST.replace("412.5", "412.50"), TERMS, NOW)
        assert (len(read.rows), read.duplicates) == (2, 1)

    def test_month_of_readings_per_minute_is_parsed(self) -> None:
        """44,640 rows are within the size limit."""
        start = datetime(2026, 10, 1, tzinfo=UTC)
        times = [(start + timedelta(minutes=at)).isoformat() for at in range(44_640)]
        text = HEAD + "".join(f"{at},1.5,kWh,7\n" for at in reversed(times))
        assert len(text) < MAX_BYTES
        read = parse_readings(text, TERMS, NOW)
        assert (len(read.rows), read.rows[0].at) == (44_640, start)


class TestReadingsErrors:
    @pytest.mark.parametrize(
        ("text", "place", "what"),
        [
            ("", "line 1", "no readings"),
            (HEAD, "line 1", "no readings"),
            ("at,value,unit\n2026-11-01,1,kWh", "line 2", "parts is missing"),
            ("value\n1", "line 2", "at, parts, unit is missing"),
            (HEAD.strip() + ",speed\n2026-11-01,1,kWh,1,1", "line 2", "unknown column 'speed'"),
            ("at,at\n1,1", "line 1", "twice"),
            (HEAD + FIRST + "2026-11-02,1,kWh", "line 3", "3 fields, the header 4"),
            (HEAD + FIRST.replace("kWh", "kg"), "line 2", "'kg' cannot be converted to kWh"),
            (HEAD + FIRST.replace("kWh", "kW"), "line 2", "'kW' cannot be converted to kWh"),
            (
                "at,value,unit,parts,machine\n2026-11-01,1,kWh,1,M1",
                "line 2",
                "'M1' is not a machine of this contract",
            ),
            (HEAD + FIRST.replace("412.5", "412,5"), "line 2", "5 fields"),
            (
                HEAD + FIRST.replace("412.5", "1e3"),
                "line 2",
                "`value` must be a decimal number such as 412.5, not '1e3'",
            ),
            (
                HEAD + FIRST.replace("412.5", "NaN"),
                "line 2",
                "`value` must be a decimal number such as 412.5, not 'NaN'",
            ),
            (
                HEAD + FIRST.replace("1180", ""),
                "line 2",
                "`parts` must be a decimal number such as 412.5, not ''",
            ),
            (
                HEAD + FIRST.replace("1180", "1." + "0" * 10),
                "line 2",
                "`parts` must be a decimal number",
            ),
            (HEAD + FIRST.replace("2026-11-01", "01.11.2026"), "line 2", "must be a time"),
            (HEAD + FIRST.replace("2026", "2027"), "line 2", "in the future"),
            (HEAD + FIRST + FIRST.replace("412.5", "412.6"), "line 3", "contradicts line 2"),
            (f'{HEAD}"2026', "line 2", "unexpected end of data"),
            (f"{HEAD}{'x' * 140_000}", "line 2", "field larger"),
            ('{"readings": 3}', "readings", "Expected `array`"),
            ('{"readings": [{"at": 3}]}', "readings", "Expected `str`"),
            ('{"readings": []}', "line 1", "no readings"),
            (
                '{"readings": [{"at": "2026-11-01"}]}',
                "readings[0]",
                "parts, unit, value is missing",
            ),
            ("at,value,unit,parts,meter\n2026-11-01,1,kWh,1," + "x" * 101, "line 2", "`meter`"),
        ],
    )
    def test_error_names_place_and_cause(self, text: str, place: str, what: str) -> None:
        with pytest.raises(EvidenceInvalid) as caught:
            parse_readings(text, TERMS, NOW)
        assert (caught.value.param, caught.value.message.startswith(f"{place}: ")) == (place, True)
        assert what in caught.value.message

    def test_rows_over_the_limit_are_rejected(self) -> None:
        with pytest.raises(EvidenceInvalid, match="more than 50000"):
            parse_readings(HEAD + FIRST * (MAX_ROWS + 1), TERMS, NOW)
        row = '{"at":"","value":"","unit":""}'
        with pytest.raises(EvidenceInvalid, match="more than 50000"):
            parse_readings('{"readings":[' + ",".join([row] * 50_001) + "]}", TERMS, NOW)

    def test_ambiguous_local_time_is_rejected(self) -> None:
        terms = replace(TERMS, time_zone="Europe/Berlin", kind=replace(TERMS.kind, looks=13))
        row = "2026-10-25T02:30:00,1,kWh,1\n"
        with pytest.raises(EvidenceInvalid, match=r"line 2: .*add the UTC offset"):
            parse_readings(HEAD + row, terms, NOW)

    def test_event_contract_accepts_no_readings(self) -> None:
        with pytest.raises(EvidenceInvalid, match="no readings") as caught:
            parse_readings(HEAD + FIRST, parse_contract_toml(EVENT), NOW)
        assert caught.value.param == "kind"
