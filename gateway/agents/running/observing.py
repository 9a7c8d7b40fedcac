"""The newest readings of the points that agents' rules name, for many agents in one query."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, and_, any_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from gateway.agents.definitions.values import AgentDefinition, Rule
from gateway.agents.rules import NewestReading
from gateway.plant.assets.values import MappingStatus
from gateway.plant.readings.quality import BAD
from gateway.plant.store.parts import is_point_of, parts_of_assets
from gateway.tables.plant import PlantPoint
from gateway.tables.plant_readings import PlantReadingSeries

Readings = Mapping[str, NewestReading]
"""The newest reading by name of the rule; a rule without a point is missing."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PART = parts_of_assets()
_CONCEPT = func.regexp_replace(col(PlantPoint.concept_id), "^.*#", "")
# Points of the asset and of its parts; a nearer one is preferred.
_SELECT = (
    select(
        _PART.c.root, col(PlantPoint.id).label("point_id"), col(PlantPoint.tag),
        col(PlantPoint.unit), col(PlantPoint.concept_id), col(PlantPoint.mapping_status),
        col(PlantReadingSeries.last_us), col(PlantReadingSeries.last_value),
        col(PlantReadingSeries.last_status),
    )
    .select_from(_PART)
    .join(PlantPoint, and_(*is_point_of(_PART)))
    .outerjoin(
        PlantReadingSeries,
        and_(
            col(PlantReadingSeries.point_id) == PlantPoint.id,
            col(PlantReadingSeries.account_id) == bindparam("account_id", type_=Uuid()),
        ),
    )
    .where(
        or_(
            col(PlantPoint.tag) == any_(bindparam("tags", type_=ARRAY(Text()))),
            any_(bindparam("concepts", type_=ARRAY(Text()))) == _CONCEPT,
        )
    )
    .order_by(_PART.c.root, _PART.c.depth, col(PlantPoint.id))
)  # fmt: skip


async def observe(
    session: AsyncSession, account_id: UUID, watched: Sequence[tuple[UUID, AgentDefinition]]
) -> list[Readings]:
    """Return the readings for the rules of each agent, given by its asset and definition."""
    rules = [rule for _, definition in watched for rule in definition.rules]
    by_asset = await find_watched_points(session, account_id, [one for one, _ in watched], rules)
    return [
        _readings(definition.rules, by_asset.get(asset_id, ())) for asset_id, definition in watched
    ]


async def find_watched_points(
    session: AsyncSession, account_id: UUID, asset_ids: Sequence[UUID], rules: Sequence[Rule]
) -> Mapping[UUID, Sequence[Any]]:
    """Return by asset the points that any of the rules may name, nearest first, with readings."""
    if not rules:
        return {}
    parameters = {
        "account_id": account_id,
        "asset_ids": list(set(asset_ids)),
        "tags": list({rule.tag for rule in rules if rule.tag}),
        "concepts": list({rule.concept for rule in rules if rule.concept}),
    }
    by_asset: dict[UUID, list[Any]] = {}
    for row in (await session.execute(_SELECT, parameters)).all():
        by_asset.setdefault(row.root, []).append(row)
    return by_asset


def point_of(rule: Rule, rows: Sequence[Any]) -> Any | None:
    """Return the row of the point that a rule names; a concept counts once it is confirmed."""
    return next((one for one in rows if _fits(rule, one)), None)


def _readings(rules: Sequence[Rule], rows: Sequence[Any]) -> Readings:
    """Return the reading for each rule that a point fits."""
    found = {}
    for rule in rules:
        row = point_of(rule, rows)
        if row is not None:
            found[rule.name] = _reading(row)
    return found


def _fits(rule: Rule, row: Any) -> bool:
    """Return whether a point is the one that a rule names."""
    if rule.tag:
        return bool(row.tag == rule.tag)
    is_confirmed = row.mapping_status == MappingStatus.CONFIRMED
    return is_confirmed and bool(row.concept_id.rpartition("#")[2] == rule.concept)


def _reading(row: Any) -> NewestReading:
    """Return the newest reading of a point; one of bad quality counts as none."""
    if row.last_value is None or row.last_status >= BAD:
        return NewestReading(row.tag, row.unit)
    time = _EPOCH + timedelta(microseconds=row.last_us)
    return NewestReading(row.tag, row.unit, row.last_value, time)
