"""Pages of readings: the points with their newest reading, and a point's chart over a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated
from zoneinfo import ZoneInfo

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.dashboard.charts import Chart, Series
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.page_request import PageRequest
from gateway.plant.assets.ids import POINT
from gateway.plant.readings.formats.times import from_datetime, to_datetime
from gateway.plant.readings.quality import quality_of
from gateway.plant.readings.rollups import Rollup
from gateway.plant.readings.storage.points import parse_point_id
from gateway.plant.readings.storage.queries import (
    NewestReading,
    TimeRange,
    read_aggregates,
    read_newest,
)
from gateway.plant.readings.values import HOUR_US, MINUTE_US
from gateway.tables import PlantPoint
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.translations import gettext_noop

_MAX_POINTS = 200
_STALE_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class ChartRange:
    """A range of a chart: how far it looks back, and the interval of its points."""

    label: str
    width_us: int
    interval_us: int


RANGES: Mapping[str, ChartRange] = MappingProxyType(
    {
        "hour": ChartRange(gettext_noop("Last hour"), HOUR_US, MINUTE_US),
        "day": ChartRange(gettext_noop("Last 24 hours"), 24 * HOUR_US, 15 * MINUTE_US),
        "week": ChartRange(gettext_noop("Last 7 days"), 168 * HOUR_US, 2 * HOUR_US),
        "month": ChartRange(gettext_noop("Last 30 days"), 720 * HOUR_US, 6 * HOUR_US),
    }
)
_DEFAULT_RANGE = "day"


@dataclass(frozen=True, slots=True)
class ShownReading:
    """A point with its newest reading: time, text of the value, quality; `stale` if it is old."""

    id: str
    tag: str
    unit: str
    at: datetime | None = None
    value: str = ""
    quality: str = ""
    stale: bool = False


class ReadingPages(Controller):
    """The account's readings; a point of another account is not found."""

    path = "/plant/readings"

    @get("/", name="dashboard:readings")
    async def points(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        search: FromQuery[str] = "",
    ) -> Response[str]:
        """Show the points whose tag contains a text, with their newest reading."""
        async with database.transaction() as session:
            profile = await get_profile(session, page.account_id)
            rows = await _find_points(session, page, search.strip())
            point_ids = [row.id for row in rows]
            newest = await read_newest(session, page.account_id, point_ids)
        shown = [_shown(page, row, newest.get(row.id), clock.now()) for row in rows[:_MAX_POINTS]]
        return page.render(
            "plant_readings.html",
            points=shown,
            search=search.strip(),
            is_cut=len(rows) > _MAX_POINTS,
            limit=_MAX_POINTS,
            zone=parse_time_zone(profile.time_zone),
        )

    @get("/{point:str}", name="dashboard:point-readings")
    async def chart(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        point: FromPath[str],
        range_name: Annotated[str, QueryParameter(name="range")] = _DEFAULT_RANGE,
    ) -> Response[str]:
        """Show a point's readings over a time: lowest, highest and mean value of intervals."""
        chosen = range_name if range_name in RANGES else _DEFAULT_RANGE
        async with database.transaction() as session:
            zone = parse_time_zone((await get_profile(session, page.account_id)).time_zone)
            row = await _find_point(session, page, point)
            newest = (await read_newest(session, page.account_id, [row.id])).get(row.id)
            end = from_datetime(clock.now()) + 1
            within = TimeRange(end - RANGES[chosen].width_us, end)
            interval_us = RANGES[chosen].interval_us
            found = await read_aggregates(session, page.account_id, [row.id], within, interval_us)
        return page.render(
            "plant_point_readings.html",
            point=_shown(page, row, newest, clock.now()),
            ranges=RANGES,
            chosen=chosen,
            charts=_chart(page, row, found[row.id], RANGES[chosen], zone),
            zone=zone,
        )


async def _find_points(session: AsyncSession, page: PageRequest, search: str) -> list[PlantPoint]:
    """Return active points by tag, one more than are shown."""
    query = (
        select(PlantPoint)
        .where(
            col(PlantPoint.account_id) == page.account_id,
            col(PlantPoint.retired_at).is_(None),
            col(PlantPoint.tag).icontains(search[:100], autoescape=True),
        )
        .order_by(col(PlantPoint.tag))
        .limit(_MAX_POINTS + 1)
    )
    return list((await session.scalars(query)).all())


async def _find_point(session: AsyncSession, page: PageRequest, text: str) -> PlantPoint:
    """Return a point of the account by its id, also a retired one. Raises PageNotFound."""
    point_id = parse_point_id(text)
    row = None if point_id is None else await session.get(PlantPoint, point_id)
    if row is None or row.account_id != page.account_id:
        raise PageNotFound("There is no such point.")
    return row


def _shown(
    page: PageRequest, row: PlantPoint, newest: NewestReading | None, now: datetime
) -> ShownReading:
    """Return a point with its newest reading."""
    point = ShownReading(ids.format_id(POINT, row.id), row.tag, row.unit)
    if newest is None or newest.time_us < 0:
        return point
    at = to_datetime(newest.time_us)
    return ShownReading(
        point.id,
        point.tag,
        point.unit,
        at,
        "–" if newest.value is None else _number(page, newest.value),
        quality_of(newest.status).value,
        now - at > _STALE_AFTER,
    )


def _number(page: PageRequest, value: float) -> str:
    """Return a value with at most six significant digits."""
    return page.formatter.decimal(f"{value:.6g}")


def _chart(
    page: PageRequest, row: PlantPoint, rollup: Rollup, chosen: ChartRange, zone: ZoneInfo
) -> Chart | None:
    """Return the chart of a point's aggregates; None without readings."""
    if not len(rollup):
        return None
    pattern = "%H:%M" if chosen.width_us <= 24 * HOUR_US else "%m-%d %H:%M"
    places = [
        to_datetime(start).astimezone(zone).strftime(pattern) for start in rollup.starts.tolist()
    ]

    def series(name: str, values: list[float], kind: str) -> Series:
        """Return one series with its texts."""
        texts = [f"{_number(page, value)} {row.unit}".rstrip() for value in values]
        return Series(page.translate(name), values, texts, kind)

    return Chart(
        title=page.translate(gettext_noop("Readings of %(tag)s")) % {"tag": row.tag},
        places=places,
        series=[
            series(gettext_noop("Lowest"), rollup.minimums.tolist(), "low"),
            series(gettext_noop("Highest"), rollup.maximums.tolist(), "high"),
            series(gettext_noop("Mean"), rollup.means.tolist(), "line"),
        ],
    )
