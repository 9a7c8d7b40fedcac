"""Parsing and validation of meter readings in CSV or JSON, row by row.

    at,value,unit,parts
    2026-11-01T00:00:00+08:00,412.5,kWh,1180

A row covers the interval that begins at `at`; without an offset it is in the plant's time zone.
Optional columns are `machine` and `meter`; all other columns are the contract's variables.

    duplicate row           counts once; with different values it is rejected
    out of order            sorted
    another unit            of the same dimension: converted when measured; otherwise rejected
    timestamp in the future rejected

Errors name the line (CSV) or entry (JSON).
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from billing.dates import parse_instant, parse_time_zone
from billing.outcomes.contracts.effect_definitions import RESERVED_COLUMNS, MeasuredEffect
from billing.outcomes.contracts.terms import OutcomeTerms
from billing.outcomes.measurement.errors import ReadingsInvalid
from billing.outcomes.measurement.units import convert_unit
from infra.errors import AppError

MAX_ROWS = 50_000
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?", re.ASCII)
_MAX_NAME_LENGTH = 100
_REQUIRED_COLUMNS, _OPTIONAL_COLUMNS = RESERVED_COLUMNS[:3], RESERVED_COLUMNS[3:]
# How far a meter's clock may be ahead of ours.
MAX_CLOCK_SKEW = timedelta(minutes=5)


class EvidenceInvalid(AppError):
    """The evidence cannot be parsed; `param` names the line or field."""

    status = 400
    type = "invalid_request_error"
    code = "evidence_invalid"


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """A parsed row: the reading of a machine for the interval that begins at `at`.

    Variables are in the contract's units; `unit` is convertible to the contract's unit.
    """

    at: datetime
    value: Decimal
    unit: str
    variables: Mapping[str, Decimal]
    machine: str = ""
    meter: str = ""


@dataclass(frozen=True, slots=True)
class ParsedReadings:
    """Parsed readings sorted by time, and the number of duplicate rows."""

    rows: tuple[ReadingRow, ...]
    duplicates: int


def parse_readings(text: str, terms: OutcomeTerms, now: datetime) -> ParsedReadings:
    """Parse readings in CSV or JSON. Raises EvidenceInvalid naming the line or entry."""
    if not isinstance(terms.kind, MeasuredEffect):
        raise EvidenceInvalid("The contract is about events and accepts no readings.", param="kind")
    reader = _RowParser(terms.kind, parse_time_zone(terms.time_zone), now + MAX_CLOCK_SKEW)
    text = text.removeprefix("\ufeff")  # the BOM that spreadsheets write
    is_json = text.lstrip().startswith("{")
    return _deduplicate(
        reader.parse(location, row)
        for location, row in (_json_rows if is_json else _csv_rows)(text)
    )


@dataclass(frozen=True, slots=True)
class _RowParser:
    """Parser of a row by the contract's measured effect; `until` is the latest valid timestamp."""

    measure: MeasuredEffect
    zone: ZoneInfo
    until: datetime

    def parse(self, location: str, row: Mapping[str, str]) -> tuple[str, ReadingRow]:
        """Return the location and the parsed row. Raises EvidenceInvalid naming the location."""
        self._require_columns(location, row)
        variables = {
            name: _parse_decimal(location, row, name) for name in self.measure.variable_names
        }
        value, unit = _parse_decimal(location, row, "value"), self._parse_unit(location, row)
        machine, meter = self._parse_machine(location, row), _parse_name(location, row, "meter")
        at = self._parse_timestamp(location, row)
        return location, ReadingRow(at, value, unit, variables, machine, meter)

    def _parse_machine(self, location: str, row: Mapping[str, str]) -> str:
        """Return the machine, empty for the plant. Raises EvidenceInvalid if it is not agreed."""
        machine, named = _parse_name(location, row, "machine"), self.measure.machines
        agreed = ("",) if named is None else (*named.having, *named.lacking)
        if machine not in agreed:
            raise _invalid(location, f"{machine[:60]!r} is not a machine of this contract")
        return machine

    def _parse_unit(self, location: str, row: Mapping[str, str]) -> str:
        """Return the unit. Raises EvidenceInvalid unless it converts to the contract's unit."""
        unit = row["unit"].strip()
        try:
            convert_unit(0.0, unit, self.measure.unit)
        except ReadingsInvalid:
            message = f"the unit {unit[:20]!r} cannot be converted to {self.measure.unit}"
            raise _invalid(location, message) from None
        return unit

    def _require_columns(self, location: str, row: Mapping[str, str]) -> None:
        """Raise EvidenceInvalid if a column is missing or unknown."""
        required = {*_REQUIRED_COLUMNS, *self.measure.variable_names}
        if missing := sorted(required - row.keys()):
            raise _invalid(location, f"{', '.join(missing)} is missing")
        if unknown := sorted(row.keys() - required - {*_OPTIONAL_COLUMNS}):
            raise _invalid(location, f"unknown column {unknown[0][:60]!r}")

    def _parse_timestamp(self, location: str, row: Mapping[str, str]) -> datetime:
        """Return `at` in UTC. Raises EvidenceInvalid for an invalid or future time."""
        try:
            at = parse_instant(datetime.fromisoformat(row["at"].strip()), self.zone)
        except ValueError as error:
            message = f"`at` must be a time such as 2026-11-01T00:00:00+08:00 ({error})"
            raise _invalid(location, message) from None
        if at > self.until:
            raise _invalid(location, f"{at.isoformat()} is in the future")
        return at


def _deduplicate(parsed: Iterable[tuple[str, ReadingRow]]) -> ParsedReadings:
    """Sort the readings by time and machine, dropping duplicates.

    Raises EvidenceInvalid if two rows of one time differ, or if there are none.
    """
    rows: dict[tuple[datetime, str], tuple[str, ReadingRow]] = {}
    doubled = 0
    for location, reading in parsed:
        first_location, existing = rows.setdefault(
            (reading.at, reading.machine), (location, reading)
        )
        if existing != reading:
            raise _invalid(location, f"it contradicts {first_location} for the same time")
        doubled += first_location != location
    if not rows:
        raise _invalid("line 1", "there are no readings")
    return ParsedReadings(tuple(rows[key][1] for key in sorted(rows)), doubled)


def _csv_rows(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield (`line N`, cells by column name) for each CSV row. Raises EvidenceInvalid."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    header: Sequence[str] | None = None
    rows = 0
    try:
        for cells in reader:
            location = f"line {reader.line_num}"
            if header is None:
                header = _header(location, cells)
            elif cells:
                rows += 1
                yield location, _named_cells(location, header, cells, rows)
    except csv.Error as error:
        raise _invalid(f"line {reader.line_num}", str(error)) from None


def _header(location: str, cells: Sequence[str]) -> Sequence[str]:
    """Return the column names of a header row. Raises EvidenceInvalid if one occurs twice."""
    names = [cell.strip() for cell in cells]
    if len(set(names)) < len(names):
        raise _invalid(location, "the header contains a column twice")
    return names


def _named_cells(
    location: str, header: Sequence[str], cells: Sequence[str], rows: int
) -> Mapping[str, str]:
    """Return a row's cells by column. Raises EvidenceInvalid for too many rows or wrong cells."""
    if rows > MAX_ROWS:
        raise _invalid(location, f"there are more than {MAX_ROWS} readings; send them in parts")
    if len(cells) != len(header):
        raise _invalid(location, f"it has {len(cells)} fields, the header {len(header)}")
    return dict(zip(header, cells, strict=True))


def _json_rows(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the rows of `{"readings": [{"at": …, "value": "412.5", …}]}` (decimal strings)."""
    try:
        entries = _DECODER.decode(text).readings
    except msgspec.DecodeError as error:
        raise _invalid("readings", f"the JSON is not valid: {error}") from None
    if len(entries) > MAX_ROWS:
        raise _invalid("readings", f"there are more than {MAX_ROWS}; send them in parts")
    for at, row in enumerate(entries):
        yield f"readings[{at}]", row


class _ReadingsBody(msgspec.Struct, forbid_unknown_fields=True):
    readings: list[dict[str, str]]


_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_ReadingsBody)


def _parse_decimal(location: str, row: Mapping[str, str], name: str) -> Decimal:
    """Parse a cell as a plain decimal number. Raises EvidenceInvalid."""
    text = row[name].strip()
    if _NUMBER.fullmatch(text) is None:
        raise _invalid(
            location, f"`{name}` must be a decimal number such as 412.5, not {text[:30]!r}"
        )
    return Decimal(text)


def _parse_name(location: str, row: Mapping[str, str], name: str) -> str:
    """Return the text of an optional cell, by default empty. Raises EvidenceInvalid."""
    text = row.get(name, "").strip()
    if len(text) > _MAX_NAME_LENGTH or not text.isprintable():
        raise _invalid(
            location, f"`{name}` is longer than {_MAX_NAME_LENGTH} characters or not printable"
        )
    return text


def _invalid(location: str, message: str) -> EvidenceInvalid:
    """Return an EvidenceInvalid error that names the line or entry."""
    return EvidenceInvalid(f"{location}: {message}.", param=location)
