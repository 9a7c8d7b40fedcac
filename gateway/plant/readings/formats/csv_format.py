"""Readings as CSV with a header: `time,tag,value` and optionally `quality`, `unit` or `point`."""

import csv
from collections.abc import Mapping
from io import StringIO

from gateway.plant.readings.formats.batch import PointKey, ReadingBatch
from gateway.plant.readings.formats.times import parse_time
from gateway.plant.readings.quality import parse_quality

_COLUMNS = ("time", "tag", "point", "value", "quality", "unit")
_TRUTH_VALUES: Mapping[str, bool] = {"true": True, "false": False}


class CsvInvalid(ValueError):
    """The text is no CSV with the required columns."""


def read_csv(text: str) -> ReadingBatch:
    """Return the readings of a CSV text. Raises CsvInvalid."""
    rows = csv.reader(StringIO(text), strict=True)
    batch = ReadingBatch()
    try:
        positions = _positions(next(rows, []))
        for index, row in enumerate(row for row in rows if row):
            batch.total += 1
            try:
                _add(batch, index, row, positions)
            except ValueError as error:
                batch.refuse(index, "invalid_value", f"{error}.")
    except csv.Error as error:
        raise CsvInvalid(f"the CSV cannot be read: {error}") from None
    return batch


def _positions(header: list[str]) -> Mapping[str, int]:
    """Return the position of each column. Raises CsvInvalid."""
    names = [name.strip().lower().removeprefix("\ufeff") for name in header]
    positions = {name: position for position, name in enumerate(names)}
    has_point = ("tag" in positions) != ("point" in positions)
    if not has_point or not {"time", "value"} <= positions.keys() or len(positions) < len(names):
        raise CsvInvalid(
            "the first line must name the columns `time`, `value` and `tag` or `point`"
        )
    unknown = sorted(positions.keys() - set(_COLUMNS))
    if unknown:
        raise CsvInvalid(f"unknown column {unknown[0][:60]!r}; use {', '.join(_COLUMNS)}")
    return positions


def _add(batch: ReadingBatch, index: int, row: list[str], positions: Mapping[str, int]) -> None:
    """Add the reading of a row. Raises ValueError."""
    if len(row) != len(positions):
        raise ValueError(f"the row has {len(row)} columns instead of {len(positions)}")
    is_id = "point" in positions
    name = row[positions["point" if is_id else "tag"]].strip()
    if not name:
        raise ValueError("a reading must name its point")
    unit = row[positions["unit"]].strip() if "unit" in positions else ""
    quality = row[positions["quality"]] if "quality" in positions else None
    value = _parse_value(row[positions["value"]].strip())
    time_us = parse_time(row[positions["time"]].strip())
    batch.add(index, PointKey(name, is_id, unit), time_us, value, parse_quality(quality))


def _parse_value(text: str) -> object:
    """Return a number, a truth value, None for an empty cell, or the text."""
    if not text:
        return None
    truth = _TRUTH_VALUES.get(text.lower())
    if truth is not None:
        return truth
    try:
        return float(text)
    except ValueError:
        return text
