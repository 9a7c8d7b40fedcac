"""Further pages of an asset: charts of readings, all verdicts, history; and opening by its code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any
from uuid import UUID

import numpy as np
from litestar import Controller, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.dashboard.line_chart import LineChart, draw_line
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.plant.asset_common import (
    AssetHead,
    load_head,
    load_readings,
    load_verdicts,
    number,
)
from gateway.dashboard.pages.plant.common import (
    PLANT_URL,
    PlantPage,
    concepts_to_choose,
    provide_plant,
)
from gateway.plant.assets.errors import PlantNodeNotFound
from gateway.plant.assets.ids import ASSET, POINT
from gateway.plant.predictions.verdicts import VERDICT
from gateway.plant.readings.formats.times import from_datetime, to_datetime
from gateway.plant.readings.storage.queries import TimeRange, read_aggregates, read_series
from gateway.plant.readings.values import HOUR_US, MINUTE_US
from gateway.plant.store.queries import PointFilter, find_asset, list_points
from gateway.plant.store.related import list_asset_mappings, list_changes
from gateway.tables.plant import PlantAsset, PlantPoint
from infra import ids
from infra.translations import gettext_noop

MAX_CHART_POINTS = 2_000
_MAX_SERIES_US = 24 * HOUR_US + 1
_MAX_CHARTS, _MAX_CHOICES = 6, 200
_VERDICTS, _CHANGES, _MAPPINGS = 30, 50, 100
_ENTRY_PREFIX = "log"
RANGES: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "hour": (gettext_noop("Last hour"), HOUR_US),
        "day": (gettext_noop("Last 24 hours"), 24 * HOUR_US),
        "week": (gettext_noop("Last 7 days"), 168 * HOUR_US),
        "month": (gettext_noop("Last 30 days"), 720 * HOUR_US),
    }
)
_DEFAULT_RANGE = "day"


@dataclass(frozen=True, slots=True)
class ReadingLine:
    """Readings to draw, of `count` in all."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    count: int


@dataclass(frozen=True, slots=True)
class PointChart:
    """A point with the chart of its readings; None if it has no readings in the time."""

    point: PlantPoint
    count: int
    chart: LineChart | None


class AssetViewPages(Controller):
    """Handlers of the further pages of `/dashboard/plant/assets/…`."""

    path = "/plant"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/assets/{asset:str}/readings", name="dashboard:asset-readings")
    async def show_readings(
        self,
        plant: NamedDependency[PlantPage],
        asset: FromPath[str],
        point: FromQuery[list[str] | None] = None,
        range_name: Annotated[str, QueryParameter(name="range")] = _DEFAULT_RANGE,
    ) -> Response[str]:
        """Show charts of chosen points of an asset over a time."""
        page, chosen = plant.page, range_name if range_name in RANGES else _DEFAULT_RANGE
        end = from_datetime(plant.clock.now()) + 1
        within = TimeRange(end - RANGES[chosen][1], end)
        async with plant.database.transaction() as session:
            head = await load_head(plant, session, asset)
            wanted = PointFilter(asset=ids.format_id(ASSET, head.row.id))
            points = await list_points(session, page.account_id, wanted, _MAX_CHOICES, None)
            marked = {one for text in point or () if (one := ids.parse_id(POINT, text))}
            drawn = [one for one in points if one.id in marked] or points
            drawn = [one for one in drawn if one.data_type != "text"][:_MAX_CHARTS]
            lines = await _read_lines(session, page.account_id, [one.id for one in drawn], within)
            readings = await load_readings(plant, session, drawn)
        return page.render(
            "plant/asset_readings.html",
            **head.context(plant),
            points=points,
            marked={one.id for one in drawn},
            charts=[_chart(plant, head, one, lines.get(one.id), within) for one in drawn],
            readings=readings,
            ranges=RANGES,
            chosen=chosen,
            most=_MAX_CHARTS,
        )

    @get("/assets/{asset:str}/verdicts", name="dashboard:asset-verdicts")
    async def show_verdicts(
        self,
        plant: NamedDependency[PlantPage],
        asset: FromPath[str],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show all verdicts on an asset, the newest first."""
        cursor = None if after is None else ids.parse_id(VERDICT, after)
        async with plant.database.transaction() as session:
            head = await load_head(plant, session, asset)
            verdicts, more = await load_verdicts(plant, session, head.row.id, _VERDICTS, cursor)
        return plant.page.render(
            "plant/asset_verdicts.html",
            **head.context(plant),
            verdicts=verdicts,
            more=None if more is None else ids.format_id(VERDICT, more),
            is_first=cursor is None,
        )

    @get("/assets/{asset:str}/history", name="dashboard:asset-history")
    async def show_history(
        self,
        plant: NamedDependency[PlantPage],
        asset: FromPath[str],
        before: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the changes of an asset and its points, and the mappings of its points."""
        page, account_id = plant.page, plant.page.account_id
        cursor = None if before is None else ids.parse_id(_ENTRY_PREFIX, before)
        async with plant.database.transaction() as session:
            head = await load_head(plant, session, asset)
            changes = await list_changes(session, account_id, head.row.id, _CHANGES + 1, cursor)
            mappings = await list_asset_mappings(session, account_id, head.row.id, _MAPPINGS)
        more = None
        if len(changes) > _CHANGES:
            more = ids.format_id(_ENTRY_PREFIX, changes[_CHANGES - 1].id)
        return page.render(
            "plant/asset_history.html",
            **head.context(plant),
            changes=changes[:_CHANGES],
            more=more,
            mappings=mappings,
            tags={ids.format_id(POINT, point.id): point.tag for _, point in mappings},
            concept_names={one.id: one.name for one in concepts_to_choose()},
        )

    @get("/scan", name="dashboard:plant-scan")
    async def open_code(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        code: FromQuery[str] = "",
    ) -> Response[Any]:
        """Open the page of the asset that a scanned code names, or ask for a code."""
        text = code.strip()[:2_000]
        if text:
            async with plant.database.transaction() as session:
                row = await _find_by_code(session, page.account_id, text)
            if row is not None:
                return page.redirect(f"{PLANT_URL}/assets/{ids.format_id(ASSET, row.id)}")
        return page.render("plant/scan.html", code=text)


async def _find_by_code(session: AsyncSession, account_id: UUID, text: str) -> PlantAsset | None:
    """Return the asset with an id, code or global id that is a text, or its last part as a URL."""
    for one in _spellings(text):
        try:
            return await find_asset(session, account_id, one)
        except PlantNodeNotFound:
            query = select(PlantAsset).where(
                col(PlantAsset.account_id) == account_id,
                col(PlantAsset.global_id) == one,
                col(PlantAsset.retired_at).is_(None),
            )
            row = (await session.scalars(query.limit(1))).first()
            if row is not None:
                return row
    return None


def _spellings(text: str) -> Sequence[str]:
    """Return a scanned text, and the identifier in it if it is an address of a node."""
    marker = "/id/"
    return (text, text.partition(marker)[2]) if marker in text else (text,)


async def _read_lines(
    session: AsyncSession, account_id: UUID, point_ids: Sequence[UUID], within: TimeRange
) -> Mapping[UUID, ReadingLine]:
    """Return at most MAX_CHART_POINTS readings of each point, the lowest and highest among them.

    Those of more than a day are the lowest and highest of each interval.
    """
    width = within.end_us - within.start_us
    if not point_ids:
        return {}
    if width <= _MAX_SERIES_US:
        series = await read_series(session, account_id, point_ids, within, MAX_CHART_POINTS)
        return {
            point_id: ReadingLine(one.series.times, one.series.values, one.count)
            for point_id, one in series.items()
        }
    interval = -(-width // (MAX_CHART_POINTS // 2) // MINUTE_US) * MINUTE_US + MINUTE_US
    rollups = await read_aggregates(session, account_id, point_ids, within, interval)
    return {
        point_id: ReadingLine(
            np.repeat(one.starts, 2),
            np.column_stack([one.minimums, one.maximums]).ravel(),
            int(one.counts.sum()),
        )
        for point_id, one in rollups.items()
    }


def _chart(
    plant: PlantPage,
    head: AssetHead,
    point: PlantPoint,
    found: ReadingLine | None,
    within: TimeRange,
) -> PointChart:
    """Return the chart of a point."""
    if found is None or not found.count:
        return PointChart(point, 0, None)
    is_day = within.end_us - within.start_us <= _MAX_SERIES_US
    pattern = "%H:%M" if is_day else "%m-%d %H:%M"
    chart = draw_line(
        found.times.tolist(),
        found.values.tolist(),
        (within.start_us, within.end_us),
        lambda at: to_datetime(at).astimezone(head.zone).strftime(pattern),
        lambda value: number(plant, value),
    )
    return PointChart(point, found.count, chart)
