"""The points of assets and of all their parts, as parts of queries that are built once.

Parameters of the queries: `account_id`, and the array `asset_ids`.
"""

from sqlalchemy import ARRAY, CTE, ColumnElement, Uuid, any_, bindparam, literal, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from gateway.tables.plant import PlantAsset, PlantPoint

_MAX_DEPTH = 8


def parts_of_assets() -> CTE:
    """Return assets with all their active parts: `root`, `id` and `depth` below the root, from 0.

    Each asset asked for is a root, whether it is active or not.
    """
    account_id = bindparam("account_id", type_=Uuid())
    asset_ids = bindparam("asset_ids", type_=ARRAY(Uuid()))
    part = (
        select(
            col(PlantAsset.id).label("root"),
            col(PlantAsset.id).label("id"),
            literal(0).label("depth"),
        )
        .where(col(PlantAsset.account_id) == account_id, col(PlantAsset.id) == any_(asset_ids))
        .cte("part", recursive=True)
    )
    child = aliased(PlantAsset)
    below = select(part.c.root, col(child.id), part.c.depth + 1).where(
        col(child.parent_id) == part.c.id,
        col(child.account_id) == account_id,
        col(child.retired_at).is_(None),
        part.c.depth < _MAX_DEPTH,
    )
    return part.union_all(below)


def is_point_of(part: CTE) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of the active points of assets and parts."""
    return (
        col(PlantPoint.asset_id) == part.c.id,
        col(PlantPoint.account_id) == bindparam("account_id", type_=Uuid()),
        col(PlantPoint.retired_at).is_(None),
    )
