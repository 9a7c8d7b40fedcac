"""Find and list the assets, points, entities and relations of an account."""

from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.ids import ASSET, ENTITY, POINT, RELATION, not_found
from gateway.plant.assets.values import EntityKind, MappingStatus
from gateway.tables.plant import PlantAsset, PlantEntity, PlantPoint, PlantRelation
from infra import ids
from infra.database.paging import page_of

Row = TypeVar("Row", PlantAsset, PlantPoint, PlantEntity)


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """Which assets are listed; None matches all. `parent` empty lists those at the top.

    `text` is a part of code or name, `type` a class id of any scheme.
    """

    parent: str | None = None
    level: str | None = None
    type: str | None = None
    text: str | None = None
    include_retired: bool = False


@dataclass(frozen=True, slots=True)
class PointFilter:
    """Which points are listed; None matches all. `asset` empty lists those without one."""

    asset: str | None = None
    tag: str | None = None
    text: str | None = None
    concept: str | None = None
    mapping_status: MappingStatus | None = None
    include_retired: bool = False


async def list_assets(
    session: AsyncSession, account_id: UUID, wanted: AssetFilter, limit: int, after: UUID | None
) -> list[PlantAsset]:
    """Return a page of assets in the order of their creation. Raises PlantNodeNotFound."""
    query = select(PlantAsset).where(col(PlantAsset.account_id) == account_id)
    query = _active(query, PlantAsset, wanted.include_retired)
    if wanted.parent is not None:
        query = query.where(
            await _asset_is(session, account_id, PlantAsset.parent_id, wanted.parent)
        )
    if wanted.level is not None:
        query = query.where(col(PlantAsset.level) == wanted.level)
    if wanted.type is not None:
        schemes = ("brick", "iso14224", "eclass")
        query = query.where(
            or_(*(col(PlantAsset.types)[scheme].astext == wanted.type for scheme in schemes))
        )
    if wanted.text:
        query = query.where(_has_text(wanted.text, PlantAsset.code, PlantAsset.name))
    return await _page(session, query, col(PlantAsset.id), limit, after)


async def list_points(
    session: AsyncSession, account_id: UUID, wanted: PointFilter, limit: int, after: UUID | None
) -> list[PlantPoint]:
    """Return a page of points in the order of their creation. Raises PlantNodeNotFound."""
    query = select(PlantPoint).where(col(PlantPoint.account_id) == account_id)
    query = _active(query, PlantPoint, wanted.include_retired)
    if wanted.asset is not None:
        query = query.where(await _asset_is(session, account_id, PlantPoint.asset_id, wanted.asset))
    if wanted.tag is not None:
        query = query.where(col(PlantPoint.tag) == wanted.tag)
    if wanted.concept is not None:
        query = query.where(col(PlantPoint.concept_id) == wanted.concept)
    if wanted.mapping_status is not None:
        query = query.where(col(PlantPoint.mapping_status) == wanted.mapping_status.value)
    if wanted.text:
        query = query.where(_has_text(wanted.text, PlantPoint.tag, PlantPoint.name))
    return await _page(session, query, col(PlantPoint.id), limit, after)


async def list_entities(
    session: AsyncSession,
    account_id: UUID,
    kind: EntityKind | None,
    text: str | None,
    limit: int,
    after: UUID | None,
) -> list[PlantEntity]:
    """Return a page of active entities in the order of their creation."""
    query = select(PlantEntity).where(col(PlantEntity.account_id) == account_id)
    query = _active(query, PlantEntity, include_retired=False)
    if kind is not None:
        query = query.where(col(PlantEntity.kind) == kind.value)
    if text:
        query = query.where(_has_text(text, PlantEntity.code, PlantEntity.name))
    return await _page(session, query, col(PlantEntity.id), limit, after)


async def list_relations(
    session: AsyncSession,
    account_id: UUID,
    node: UUID | None,
    predicate: str | None,
    limit: int,
    after: UUID | None,
) -> list[PlantRelation]:
    """Return a page of valid relations, of a node if given, in the order of their creation."""
    query = select(PlantRelation).where(
        col(PlantRelation.account_id) == account_id, col(PlantRelation.valid_to).is_(None)
    )
    if node is not None:
        query = query.where(
            or_(col(PlantRelation.subject_id) == node, col(PlantRelation.object_id) == node)
        )
    if predicate is not None:
        query = query.where(col(PlantRelation.predicate) == predicate)
    return await _page(session, query, col(PlantRelation.id), limit, after)


async def find_asset(
    session: AsyncSession, account_id: UUID, text: str, *, is_locked: bool = False
) -> PlantAsset:
    """Return an asset by its public id, or an active one by code. Raises PlantNodeNotFound."""
    return await _find(session, account_id, PlantAsset, ASSET, "code", text, is_locked)


async def find_point(
    session: AsyncSession, account_id: UUID, text: str, *, is_locked: bool = False
) -> PlantPoint:
    """Return a point by its public id, or an active one by tag. Raises PlantNodeNotFound."""
    return await _find(session, account_id, PlantPoint, POINT, "tag", text, is_locked)


async def find_entity(
    session: AsyncSession, account_id: UUID, text: str, kind: EntityKind | None = None
) -> PlantEntity:
    """Return an entity by its public id, or an active one by kind and code.

    Raises PlantNodeNotFound.
    """
    identity = ids.parse_id(ENTITY, text)
    query = select(PlantEntity).where(col(PlantEntity.account_id) == account_id)
    if identity is not None:
        query = query.where(col(PlantEntity.id) == identity)
    elif kind is not None:
        query = query.where(col(PlantEntity.code) == text, col(PlantEntity.kind) == kind.value)
        query = _active(query, PlantEntity, include_retired=False)
    else:
        raise not_found(ENTITY)
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise not_found(ENTITY)
    return row


async def find_relation(session: AsyncSession, account_id: UUID, text: str) -> PlantRelation:
    """Return a relation by its public id. Raises PlantNodeNotFound."""
    identity = ids.parse_id(RELATION, text)
    query = select(PlantRelation).where(
        col(PlantRelation.account_id) == account_id, col(PlantRelation.id) == identity
    )
    row = None if identity is None else (await session.scalars(query)).one_or_none()
    if row is None:
        raise not_found(RELATION)
    return row


async def _find(
    session: AsyncSession,
    account_id: UUID,
    table: type[Row],
    prefix: str,
    key: str,
    text: str,
    is_locked: bool,
) -> Row:
    """Return a row by its public id or, if it is active, by its key."""
    identity = ids.parse_id(prefix, text)
    query = select(table).where(col(table.account_id) == account_id)
    if identity is not None:
        query = query.where(col(table.id) == identity)
    else:
        query = _active(query.where(getattr(table, key) == text[:1000]), table, False)
    row = (await session.scalars(query.with_for_update() if is_locked else query)).one_or_none()
    if row is None:
        raise not_found(prefix)
    return row


async def _asset_is(
    session: AsyncSession, account_id: UUID, column: Any, asset: str
) -> ColumnElement[bool]:
    """Return the condition that a column has an asset, or none for an empty text."""
    if not asset:
        return col(column).is_(None)
    return col(column) == (await find_asset(session, account_id, asset)).id


def _active(query: Any, table: Any, include_retired: bool) -> Any:
    """Return a query without retired rows, unless they are included."""
    return query if include_retired else query.where(col(table.retired_at).is_(None))


def _has_text(text: str, *columns: Any) -> ColumnElement[bool]:
    """Return the condition that one of the columns contains a text, in any case."""
    return or_(*(col(column).icontains(text[:200], autoescape=True) for column in columns))


async def _page(
    session: AsyncSession, query: Select[Any], key: Any, limit: int, after: UUID | None
) -> list[Any]:
    """Return a page of rows in the order of their ids."""
    paged = page_of(query, key, limit, after, ascending=True)
    return list((await session.scalars(paged)).all())
