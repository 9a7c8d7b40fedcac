"""Queries of readings: parameters, and the answer as JSON with a column per field, or as CSV."""

import asyncio
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.call.errors import ParameterInvalid
from gateway.plant.assets.ids import POINT
from gateway.plant.readings.acceptance import ReadingPoint
from gateway.plant.readings.errors import PlantPointNotFound, ReadingsRangeTooLarge
from gateway.plant.readings.formats.batch import PointKey
from gateway.plant.readings.formats.times import format_time, from_datetime, parse_time
from gateway.plant.readings.quality import quality_of
from gateway.plant.readings.rollups import Rollup
from gateway.plant.readings.storage.points import find_points, parse_point_id
from gateway.plant.readings.storage.queries import (
    INTERVALS_US,
    ReadSeries,
    TimeRange,
    read_aggregates,
    read_series,
)
from gateway.plant.readings.values import DAY_US, HOUR_US, Series, Times
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

AggregateName = Literal["1m", "1h", "1d"]
MAX_POINTS_PER_SERIES = 2_000
MAX_SERIES = 50
_MAX_RANGE_US = 3_660 * DAY_US
_AGGREGATE_COLUMNS = ("times", "min", "max", "mean", "count", "last")


@dataclass(frozen=True, slots=True)
class ReadingsQuery:
    """The points, range and form of a query. `aggregate` is None for readings."""

    keys: Sequence[PointKey]
    within: TimeRange
    max_points: int
    aggregate: AggregateName | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """The points of a query in its order, with readings or aggregates."""

    points: Sequence[ReadingPoint]
    series: Mapping[UUID, ReadSeries]
    rollups: Mapping[UUID, Rollup]


def parse_query(
    clock: Clock,
    points: Sequence[str] | None,
    start: str | None,
    end: str | None,
    max_points: int,
    aggregate: AggregateName | None,
) -> ReadingsQuery:
    """Return the query of request parameters; the range ends now and has one hour by default.

    Raises ParameterInvalid, ReadingsRangeTooLarge.
    """
    keys = [_key(text) for text in dict.fromkeys(points or ())]
    if not 1 <= len(keys) <= MAX_SERIES:
        raise ParameterInvalid(f"Name 1 to {MAX_SERIES} points by `point`.", param="point")
    end_us = from_datetime(clock.now()) + 1 if end is None else _parse_time(end, "to")
    start_us = end_us - HOUR_US if start is None else _parse_time(start, "from")
    if not 0 < end_us - start_us <= _MAX_RANGE_US:
        raise ParameterInvalid("`from` must be before `to`, by at most ten years.", param="from")
    if aggregate is not None:
        _require_few_intervals(end_us - start_us, aggregate, max_points)
    return ReadingsQuery(keys, TimeRange(start_us, end_us), max_points, aggregate)


def _require_few_intervals(width_us: int, aggregate: AggregateName, max_points: int) -> None:
    """Raise ReadingsRangeTooLarge if a range has more intervals than can be returned."""
    if width_us // INTERVALS_US[aggregate] > max_points:
        raise ReadingsRangeTooLarge(
            f"The range has more than {max_points:,} intervals of {aggregate}. Ask for a shorter "
            "range or longer intervals.",
            param="aggregate",
        )


def _key(text: str) -> PointKey:
    """Return the key of a point: an id if the text is one, else a tag."""
    return PointKey(text, parse_point_id(text) is not None)


def _parse_time(text: str, name: str) -> int:
    """Return a time parameter in microseconds. Raises ParameterInvalid."""
    try:
        # A plus sign in a query is decoded as a space.
        return parse_time(text.replace(" ", "+"))
    except ValueError:
        raise ParameterInvalid(
            f"`{name}` must be a time such as 2026-11-30T08:00:00Z, or seconds since 1970.",
            param=name,
        ) from None


async def read_as_json(database: Database, account_id: UUID, query: ReadingsQuery) -> bytes:
    """Return the answer as JSON. Raises PlantPointNotFound, ReadingsRangeTooLarge."""
    answer = await _load(database, account_id, query)
    return await asyncio.to_thread(_encode_json, answer, query)


async def read_as_csv(database: Database, account_id: UUID, query: ReadingsQuery) -> bytes:
    """Return the answer as CSV. Raises PlantPointNotFound, ReadingsRangeTooLarge."""
    answer = await _load(database, account_id, query)
    return await asyncio.to_thread(_encode_csv, answer, query)


async def _load(database: Database, account_id: UUID, query: ReadingsQuery) -> _Answer:
    """Return the points of a query with readings or aggregates."""
    async with database.transaction() as session:
        points = await _require_points(session, account_id, query.keys)
        point_ids = [point.id for point in points]
        if query.aggregate is None:
            series = await read_series(
                session, account_id, point_ids, query.within, query.max_points
            )
            return _Answer(points, series, {})
        interval_us = INTERVALS_US[query.aggregate]
        rollups = await read_aggregates(session, account_id, point_ids, query.within, interval_us)
        return _Answer(points, {}, rollups)


async def _require_points(
    session: AsyncSession, account_id: UUID, keys: Sequence[PointKey]
) -> list[ReadingPoint]:
    """Return the points of a query, each once; retired ones by id. Raises PlantPointNotFound."""
    found = await find_points(session, account_id, keys, include_retired=True)
    for key in keys:
        if key not in found:
            raise PlantPointNotFound(
                f"The account has no active point {key.name[:60]!r}.", param="point"
            )
    return list({found[key].id: found[key] for key in keys}.values())


def _encode_json(answer: _Answer, query: ReadingsQuery) -> bytes:
    """Return the answer as JSON."""
    data = [
        {
            "object": "plant.series",
            "point": ids.format_id(POINT, point.id),
            "tag": point.tag,
            "unit": point.unit,
            **_columns(answer, point, query),
        }
        for point in answer.points
    ]
    within = query.within
    return msgspec.json.encode(
        {
            "object": "list",
            "from": format_time(within.start_us),
            "to": format_time(within.end_us),
            "aggregate": query.aggregate,
            "data": data,
        }
    )


def _columns(answer: _Answer, point: ReadingPoint, query: ReadingsQuery) -> dict[str, Any]:
    """Return the readings or aggregates of a point by column."""
    if query.aggregate is not None:
        columns = _aggregate_columns(answer.rollups[point.id])
        return dict(zip(_AGGREGATE_COLUMNS, columns, strict=True))
    read = answer.series[point.id]
    series = read.series
    return {
        "count": read.count,
        "downsampled": len(series) < read.count,
        "times": _times(series.times),
        "values": _values(series),
        "qualities": _qualities(series),
        "revised": _times(series.times[series.revised]),
    }


def _aggregate_columns(rollup: Rollup) -> tuple[list[Any], ...]:
    """Return the columns of aggregates."""
    return (
        _times(rollup.starts),
        rollup.minimums.tolist(),
        rollup.maximums.tolist(),
        rollup.means.tolist(),
        rollup.counts.tolist(),
        rollup.lasts.tolist(),
    )


def _times(times: Times) -> list[str]:
    """Return times as text in UTC, in the coarsest unit of s, ms and us that shows all of them."""
    unit: Literal["s", "ms", "us"] = "us"
    if not (times % 1_000).any():
        unit = "ms" if (times % 1_000_000).any() else "s"
    moments = times.astype("datetime64[us]")
    return list(np.datetime_as_string(moments, unit=unit, timezone="UTC").tolist())


def _values(series: Series) -> list[float | None]:
    """Return values, None where a reading has none."""
    missing = np.isnan(series.values)
    values: list[float | None] = series.values.tolist()
    for position in np.flatnonzero(missing).tolist():
        values[position] = None
    return values


def _qualities(series: Series) -> list[str] | None:
    """Return the quality of each reading; None if all are good."""
    if not series.statuses.any():
        return None
    return [quality_of(status).value for status in series.statuses.tolist()]


def _encode_csv(answer: _Answer, query: ReadingsQuery) -> bytes:
    """Return the answer as CSV with a line per reading or interval."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    if query.aggregate is None:
        writer.writerow(("time", "tag", "value", "quality"))
        for point in answer.points:
            writer.writerows(_reading_rows(point, answer.series[point.id].series))
    else:
        writer.writerow(("time", "tag", *_AGGREGATE_COLUMNS[1:]))
        for point in answer.points:
            starts, *columns = _aggregate_columns(answer.rollups[point.id])
            tags = [_safe_cell(point.tag)] * len(starts)
            writer.writerows(zip(starts, tags, *columns, strict=True))
    return file.getvalue().encode()


def _reading_rows(point: ReadingPoint, series: Series) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of readings; a reading without a value has an empty cell."""
    tag = _safe_cell(point.tag)
    statuses = series.statuses.tolist()
    for time, value, status in zip(_times(series.times), _values(series), statuses, strict=True):
        yield time, tag, "" if value is None else value, quality_of(status).value


def _safe_cell(text: str) -> str:
    """Return a text that spreadsheets do not read as a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text
