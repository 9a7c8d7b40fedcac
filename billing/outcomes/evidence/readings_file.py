"""Readings: what a meter said of a time, from CSV or JSON, checked row by row.

    at,value,unit,parts
    2026-11-01T00:00:00+08:00,412.5,kWh,1180

A row stands for the time that begins at `at`; one without an offset is the plant's. `machine` and
`meter` are columns that may be there; the others are the contract's variables, all of them.

    a row twice             counts once; with other values it is refused
    out of order            sorted
    another unit            of the same kind is converted where it is measured; any other is refused
    a time still to come    refused, with its line, as is whatever else is wrong

Pure.
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

from billing.dates import instant_of, zone_of
from billing.outcomes.contracts.effect_definitions import COLUMNS, Measure
from billing.outcomes.contracts.terms import OutcomeTerms
from billing.outcomes.measurement.faults import ReadingsInvalid
from billing.outcomes.measurement.units import converted
from infra.errors import AppError

MOST_ROWS = 50_000
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?", re.ASCII)
_MOST_NAME = 100
_NEEDED, _OPTIONAL = COLUMNS[:3], COLUMNS[3:]
# A meter's clock may be a little ahead of ours.
AHEAD = timedelta(minutes=5)


class EvidenceInvalid(AppError):
    """Evidence that cannot be read; `param` names the line or field."""

    status = 400
    type = "invalid_request_error"
    code = "evidence_invalid"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a machine for the time that begins at `at`; variables are in the contract's
    units, the value is in a unit that can become the contract's."""

    at: datetime
    value: Decimal
    unit: str
    variables: Mapping[str, Decimal]
    machine: str = ""
    meter: str = ""


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings by time, and how many rows said the same again."""

    rows: tuple[Reading, ...]
    doubled: int


def read_readings(text: str, terms: OutcomeTerms, now: datetime) -> Readings:
    """The readings of a text. Raises EvidenceInvalid naming the line (of JSON: the entry)."""
    if not isinstance(terms.kind, Measure):
        raise EvidenceInvalid("The contract is about events: it has no readings.", param="kind")
    reader = _Reader(terms.kind, zone_of(terms.time_zone), now + AHEAD)
    text = text.removeprefix("\ufeff")  # as spreadsheets begin a file
    is_json = text.lstrip().startswith("{")
    return _once(reader.read(place, row) for place, row in (_entries if is_json else _lines)(text))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one row by what the contract measures; `until` is the latest time that can be."""

    measure: Measure
    zone: ZoneInfo
    until: datetime

    def read(self, place: str, row: Mapping[str, str]) -> tuple[str, Reading]:
        self._require_columns(place, row)
        variables = {name: _number(place, row, name) for name in self.measure.names}
        value, unit = _number(place, row, "value"), self._unit(place, row)
        names = self._machine(place, row), _name(place, row, "meter")
        return place, Reading(self._at(place, row), value, unit, variables, *names)

    def _machine(self, place: str, row: Mapping[str, str]) -> str:
        machine, named = _name(place, row, "machine"), self.measure.machines
        agreed = ("",) if named is None else (*named.having, *named.lacking)
        if machine not in agreed:
            raise _invalid(place, f"{machine[:60]!r} is no machine of this contract")
        return machine

    def _unit(self, place: str, row: Mapping[str, str]) -> str:
        unit = row["unit"].strip()
        try:
            converted(0.0, unit, self.measure.unit)
        except ReadingsInvalid:
            said = f"the unit is {unit[:20]!r}, which is no {self.measure.unit}"
            raise _invalid(place, said) from None
        return unit

    def _require_columns(self, place: str, row: Mapping[str, str]) -> None:
        wanted = {*_NEEDED, *self.measure.names}
        if lacking := sorted(wanted - row.keys()):
            raise _invalid(place, f"{', '.join(lacking)} is missing")
        if unknown := sorted(row.keys() - wanted - {*_OPTIONAL}):
            raise _invalid(place, f"{unknown[0][:60]!r} is no column of this contract")

    def _at(self, place: str, row: Mapping[str, str]) -> datetime:
        try:
            at = instant_of(datetime.fromisoformat(row["at"].strip()), self.zone)
        except ValueError as error:
            said = f"`at` is no time as 2026-11-01T00:00:00+08:00 ({error})"
            raise _invalid(place, said) from None
        if at > self.until:
            raise _invalid(place, f"{at.isoformat()} is still to come")
        return at


def _once(read: Iterable[tuple[str, Reading]]) -> Readings:
    """By time and machine, each once."""
    kept: dict[tuple[datetime, str], tuple[str, Reading]] = {}
    doubled = 0
    for place, reading in read:
        before, known = kept.setdefault((reading.at, reading.machine), (place, reading))
        if known != reading:
            raise _invalid(place, f"it says something else of the same time than {before}")
        doubled += before != place
    if not kept:
        raise _invalid("line 1", "there are no readings")
    return Readings(tuple(kept[key][1] for key in sorted(kept)), doubled)


def _lines(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The rows of a CSV text by their lines, each with the header's names."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    header: Sequence[str] | None = None
    rows = 0
    try:
        for cells in reader:
            place = f"line {reader.line_num}"
            if header is None:
                header = _header(place, cells)
            elif cells:
                rows += 1
                yield place, _row(place, header, cells, rows)
    except csv.Error as error:
        raise _invalid(f"line {reader.line_num}", str(error)) from None


def _header(place: str, cells: Sequence[str]) -> Sequence[str]:
    names = [cell.strip() for cell in cells]
    if len(set(names)) < len(names):
        raise _invalid(place, "the header names a column twice")
    return names


def _row(place: str, header: Sequence[str], cells: Sequence[str], rows: int) -> Mapping[str, str]:
    if rows > MOST_ROWS:
        raise _invalid(place, f"there are more than {MOST_ROWS} readings: send them in parts")
    if len(cells) != len(header):
        raise _invalid(place, f"it has {len(cells)} fields, the header {len(header)}")
    return dict(zip(header, cells, strict=True))


def _entries(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The rows of `{"readings": [{"at": …, "value": "412.5", …}]}`; numbers are decimal texts."""
    try:
        entries = _DECODER.decode(text).readings
    except msgspec.DecodeError as error:
        raise _invalid("readings", f"the JSON cannot be read: {error}") from None
    if len(entries) > MOST_ROWS:
        raise _invalid("readings", f"there are more than {MOST_ROWS}: send them in parts")
    for at, row in enumerate(entries):
        yield f"readings[{at}]", row


class _Json(msgspec.Struct, forbid_unknown_fields=True):
    readings: list[dict[str, str]]


_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Json)


def _number(place: str, row: Mapping[str, str], name: str) -> Decimal:
    text = row[name].strip()
    if _NUMBER.fullmatch(text) is None:
        raise _invalid(place, f"`{name}` is {text[:30]!r} and no decimal as 412.5")
    return Decimal(text)


def _name(place: str, row: Mapping[str, str], name: str) -> str:
    text = row.get(name, "").strip()
    if len(text) > _MOST_NAME or not text.isprintable():
        raise _invalid(place, f"`{name}` is longer than {_MOST_NAME} characters or not printable")
    return text


def _invalid(place: str, what: str) -> EvidenceInvalid:
    return EvidenceInvalid(f"{place}: {what}.", param=place)
