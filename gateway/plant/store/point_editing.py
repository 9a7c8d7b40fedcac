"""Create, change, replace and retire single points; their mappings enter the history."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from gateway.plant.assets.ids import POINT
from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.plan import compare_values
from gateway.plant.assets.validation import Checks, check_model
from gateway.plant.assets.values import Concept, MappingStatus, PlantModel, Point, Source
from gateway.plant.store.applying import end_mappings, end_relations_of, renew_mappings
from gateway.plant.store.editing import (
    Editing,
    asset_value,
    code_of,
    point_value,
    raise_first,
    require_active,
    require_free,
    require_room,
)
from gateway.plant.store.queries import find_asset, find_point
from gateway.plant.store.revisions import advance_revision
from gateway.tables.plant import PlantPoint
from infra import ids
from models.problems import Problems


async def create_point(editing: Editing, point: Point) -> PlantPoint:
    """Create a point. Raises PlantModelInvalid, PlantKeyTaken, PlantNodeNotFound."""
    await advance_revision(editing.session, editing.account_id)
    await require_room(editing, PlantPoint, "points", editing.limits.points)
    await require_free(editing, PlantPoint, "tag", point.tag)
    row = await _insert_point(editing, point)
    await editing.record("plant.point_created", ids.format_id(POINT, row.id), {"tag": row.tag})
    return row


async def update_point(editing: Editing, text_id: str, changes: Mapping[str, Any]) -> PlantPoint:
    """Change fields of an active point; a changed unit, asset or concept enters its history.

    Raises PlantNodeNotFound, PlantNodeRetired, PlantModelInvalid, PlantKeyTaken.
    """
    session, account_id = editing.session, editing.account_id
    await advance_revision(session, account_id)
    row = require_active(await find_point(session, account_id, text_id, is_locked=True))
    before = point_value(row, await code_of(editing, row.asset_id))
    after, asset = await _checked_point(editing, replace(before, **changes))
    if after.tag != before.tag:
        await require_free(editing, PlantPoint, "tag", after.tag)
    differences = compare_values(before, after)
    if not differences:
        return row
    for name, value in _point_columns(after).items():
        setattr(row, name, value)
    if any(one.name == "concept" for one in differences):
        _set_concept(row, after.concept)
    row.asset_id, row.updated_at = asset, editing.clock.now()
    await session.flush()
    if {one.name for one in differences} & {"unit", "asset", "concept"}:
        await renew_mappings(editing.writing(), [row.id])
    details = {"fields": [one.name for one in differences], "tag": row.tag}
    await editing.record("plant.point_updated", ids.format_id(POINT, row.id), details)
    return row


async def replace_point(editing: Editing, text_id: str, changes: Mapping[str, Any]) -> PlantPoint:
    """Retire a point and create another under the same tag, for a sensor that was replaced.

    The new point has the values of the old one except for `changes`. Readings and mappings of the
    old one stay with it. Raises PlantNodeNotFound, PlantNodeRetired, PlantModelInvalid.
    """
    old = await _retire_point(editing, text_id)
    value = point_value(old, await code_of(editing, old.asset_id))
    await editing.session.flush()
    row = await _insert_point(editing, replace(value, **changes, tag=old.tag))
    details = {"tag": row.tag, "replaced": ids.format_id(POINT, old.id)}
    await editing.record("plant.point_replaced", ids.format_id(POINT, row.id), details)
    return row


async def retire_point(editing: Editing, text_id: str) -> PlantPoint:
    """Retire a point and end its mapping and relations. Raises PlantNodeNotFound."""
    row = await find_point(editing.session, editing.account_id, text_id)
    if row.retired_at is not None:
        return row
    row = await _retire_point(editing, text_id)
    await editing.record("plant.point_retired", ids.format_id(POINT, row.id), {"tag": row.tag})
    return row


async def _retire_point(editing: Editing, text_id: str) -> PlantPoint:
    """Retire an active point. Raises PlantNodeNotFound, PlantNodeRetired."""
    await advance_revision(editing.session, editing.account_id)
    found = await find_point(editing.session, editing.account_id, text_id, is_locked=True)
    row = require_active(found)
    row.retired_at = row.updated_at = editing.clock.now()
    writing = editing.writing()
    await end_mappings(writing, [row.id])
    await end_relations_of(writing, row.id)
    return row


async def _insert_point(editing: Editing, point: Point) -> PlantPoint:
    """Insert a point with the first entry of its history."""
    checked, asset = await _checked_point(editing, point)
    now = editing.clock.now()
    row = PlantPoint(
        id=ids.new_id(), account_id=editing.account_id, asset_id=asset, source=Source.MANUAL.value,
        created_at=now, updated_at=now, concept_scheme="", concept_id="",
        mapping_status=MappingStatus.UNMAPPED.value, **_point_columns(checked),
    )  # fmt: skip
    _set_concept(row, checked.concept)
    editing.session.add(row)
    await editing.session.flush()
    await renew_mappings(editing.writing(), [row.id])
    return row


async def _checked_point(editing: Editing, point: Point) -> tuple[Point, UUID | None]:
    """Return a valid point with its canonical unit, and the id of its asset."""
    asset = None
    if point.asset is not None:
        found = await find_asset(editing.session, editing.account_id, point.asset)
        asset = require_active(found)
        point = replace(point, asset=asset.code)
    known = {} if asset is None else {asset.code: asset_value(asset, None)}
    problems = Problems()
    checks = Checks(PlantIndex(assets=known), editing.limits)
    model = check_model(PlantModel(points=(point,)), checks, problems)
    raise_first(problems)
    return model.points[0], None if asset is None else asset.id


def _point_columns(point: Point) -> dict[str, Any]:
    """Return the columns of a point's values, without asset and concept."""
    return {
        "tag": point.tag,
        "name": point.name,
        "unit": point.unit,
        "data_type": point.data_type.value,
        "low": point.low,
        "high": point.high,
    }


def _set_concept(row: PlantPoint, concept: Concept | None) -> None:
    """Set the concept that a person stated; None leaves the point unmapped."""
    row.probability = None
    row.concept_scheme, row.concept_id = (concept.scheme, concept.id) if concept else ("", "")
    status = MappingStatus.CONFIRMED if concept else MappingStatus.UNMAPPED
    row.mapping_status = status.value
