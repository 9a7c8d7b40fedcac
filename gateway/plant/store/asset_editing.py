"""Create, change, move and retire single assets."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import exists, text
from sqlmodel import col, select

from gateway.plant.assets.errors import AssetNotEmpty
from gateway.plant.assets.hierarchy import check_hierarchy
from gateway.plant.assets.ids import ASSET
from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.limits import MAX_DEPTH
from gateway.plant.assets.plan import compare_values
from gateway.plant.assets.validation import Checks, check_model
from gateway.plant.assets.values import Asset, PlantModel, Source
from gateway.plant.store.applying import end_relations_of, properties_json
from gateway.plant.store.editing import (
    Editing,
    asset_value,
    code_of,
    raise_first,
    require_active,
    require_free,
    require_room,
)
from gateway.plant.store.queries import find_asset
from gateway.plant.store.revisions import advance_revision
from gateway.tables.plant import PlantAsset, PlantPoint
from infra import ids
from models.problems import Problems

_WITH_ANCESTORS = text(
    """
    with recursive way(id, parent_id, depth) as (
        select id, parent_id, 0 from plant_asset where id = :start and account_id = :account
        union all
        select above.id, above.parent_id, way.depth + 1
        from plant_asset above join way on above.id = way.parent_id
        where above.account_id = :account and way.depth <= :most
    )
    select id from way
    """
)


async def create_asset(editing: Editing, asset: Asset) -> PlantAsset:
    """Create an asset. Raises PlantModelInvalid, PlantKeyTaken, PlantNodeNotFound."""
    session, account_id = editing.session, editing.account_id
    await advance_revision(session, account_id)
    await require_room(editing, PlantAsset, "assets", editing.limits.assets)
    await require_free(editing, PlantAsset, "code", asset.code)
    parent = None if asset.parent is None else await find_asset(session, account_id, asset.parent)
    await _check_asset(editing, replace(asset, parent=_code(parent)), parent)
    now = editing.clock.now()
    row = PlantAsset(
        id=ids.new_id(), account_id=account_id, parent_id=None if parent is None else parent.id,
        source=Source.MANUAL.value, created_at=now, updated_at=now, **_asset_columns(asset),
    )  # fmt: skip
    session.add(row)
    await session.flush()
    await editing.record("plant.asset_created", ids.format_id(ASSET, row.id), {"code": row.code})
    return row


async def update_asset(editing: Editing, text_id: str, changes: Mapping[str, Any]) -> PlantAsset:
    """Change fields of an active asset; `parent` moves it, None to the top.

    Raises PlantNodeNotFound, PlantNodeRetired, PlantModelInvalid, PlantKeyTaken.
    """
    session, account_id = editing.session, editing.account_id
    await advance_revision(session, account_id)
    row = require_active(await find_asset(session, account_id, text_id, is_locked=True))
    parent_code = await code_of(editing, row.parent_id)
    before = asset_value(row, parent_code)
    after = replace(before, **changes)
    parent = None if after.parent is None else await find_asset(session, account_id, after.parent)
    after = replace(after, parent=_code(parent))
    if after.code != before.code:
        await require_free(editing, PlantAsset, "code", after.code)
    await _check_asset(editing, after, parent, row)
    differences = compare_values(before, after)
    if differences:
        for name, value in _asset_columns(after).items():
            setattr(row, name, value)
        row.parent_id = None if parent is None else parent.id
        row.updated_at = editing.clock.now()
        await session.flush()
        details = {"fields": [one.name for one in differences], "code": row.code}
        await editing.record("plant.asset_updated", ids.format_id(ASSET, row.id), details)
    return row


async def retire_asset(editing: Editing, text_id: str) -> PlantAsset:
    """Retire an asset without active parts and points. Raises PlantNodeNotFound, AssetNotEmpty."""
    session, account_id = editing.session, editing.account_id
    await advance_revision(session, account_id)
    row = await find_asset(session, account_id, text_id, is_locked=True)
    if row.retired_at is not None:
        return row
    for table, column in ((PlantAsset, PlantAsset.parent_id), (PlantPoint, PlantPoint.asset_id)):
        query = select(
            exists().where(
                col(table.account_id) == account_id,
                col(column) == row.id,
                col(table.retired_at).is_(None),
            )
        )
        if (await session.scalars(query)).one():
            raise AssetNotEmpty("Move or retire the parts and points of the asset first.")
    row.retired_at = row.updated_at = editing.clock.now()
    await end_relations_of(editing.writing(), row.id)
    await editing.record("plant.asset_retired", ids.format_id(ASSET, row.id), {"code": row.code})
    return row


async def _check_asset(
    editing: Editing, asset: Asset, parent: PlantAsset | None, row: PlantAsset | None = None
) -> None:
    """Check an asset with the assets above and directly below it. Raises PlantModelInvalid."""
    if parent is not None:
        require_active(parent)
    problems = Problems()
    above = {} if parent is None else await _ancestors(editing, parent)
    checks = Checks(PlantIndex(assets=above), editing.limits)
    check_model(PlantModel(assets=(asset,)), checks, problems)
    if row is not None and not problems.count:
        below = await _children(editing, row, asset.code)
        check_hierarchy(below, {**above, asset.code: asset, **below}, problems, lambda _: None)
    raise_first(problems)


async def _ancestors(editing: Editing, start: PlantAsset) -> dict[str, Asset]:
    """Return an asset and those above it by code."""
    parameters = {"start": start.id, "account": editing.account_id, "most": MAX_DEPTH}
    found = (await editing.session.scalars(_WITH_ANCESTORS, parameters)).all()
    query = select(PlantAsset).where(
        col(PlantAsset.account_id) == editing.account_id, col(PlantAsset.id).in_(found)
    )
    rows = (await editing.session.scalars(query)).all()
    codes = {row.id: row.code for row in rows}
    return {
        row.code: asset_value(row, codes.get(row.parent_id) if row.parent_id else None)
        for row in rows
    }


async def _children(editing: Editing, row: PlantAsset, parent: str) -> dict[str, Asset]:
    """Return the parts of an asset by code. As many as an account may have are checked."""
    query = select(PlantAsset).where(
        col(PlantAsset.account_id) == editing.account_id,
        col(PlantAsset.parent_id) == row.id,
        col(PlantAsset.retired_at).is_(None),
    )
    rows = (await editing.session.scalars(query)).all()
    return {one.code: asset_value(one, parent) for one in rows}


def _asset_columns(asset: Asset) -> dict[str, Any]:
    """Return the columns of an asset's values, without its parent."""
    return {
        "code": asset.code,
        "name": asset.name,
        "level": asset.level.value,
        "types": dict(asset.types),
        "properties": properties_json(asset.properties),
        "global_id": asset.global_id,
    }


def _code(asset: PlantAsset | None) -> str | None:
    """Return the code of an asset, None without one."""
    return None if asset is None else asset.code
