"""Work orders of an asset and its parts, with what they found, did and used."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

MAX_ORDERS = 500
# What the platform itself writes into an order is no content of it.
OWN_PROPERTIES = frozenset({"action", "agent_action", "agent_draft", "due_at", "status"})
_CLOSED = frozenset({"closed", "done", "completed", "finished", "cancelled"})
_MAX_TEXT = 4_000
_ORDERS = text("""
    with recursive part(id, depth) as (
        select id, 0 from plant_asset where id = :asset_id and account_id = :account_id
        union all
        select child.id, part.depth + 1 from plant_asset child
        join part on child.parent_id = part.id
        where child.account_id = :account_id and child.retired_at is null and part.depth < 8
    )
    select distinct entity.id, entity.code, entity.name, entity.properties, entity.updated_at
    from plant_relation relation
    join plant_entity entity on entity.id = relation.subject_id
    where relation.account_id = :account_id and entity.account_id = :account_id
      and relation.object_id in (select id from part)
      and relation.subject_kind = 'work_order' and relation.predicate in ('on', 'concerns')
      and relation.valid_to is null and entity.retired_at is null
    order by entity.updated_at desc, entity.id desc limit :most
""")
_RELATED = text("""
    select relation.subject_id, relation.predicate, entity.kind, entity.code, entity.name
    from plant_relation relation join plant_entity entity on entity.id = relation.object_id
    where relation.account_id = :account_id and entity.account_id = :account_id
      and relation.subject_id = any(:ids) and relation.valid_to is null
      and entity.retired_at is null
    order by entity.code
""")
_MODES = text("""
    with recursive part(id, depth) as (
        select id, 0 from plant_asset where id = :asset_id and account_id = :account_id
        union all
        select child.id, part.depth + 1 from plant_asset child
        join part on child.parent_id = part.id
        where child.account_id = :account_id and child.retired_at is null and part.depth < 8
    )
    select distinct mode.id, mode.code, mode.name
    from plant_entity mode join plant_relation relation on relation.account_id = :account_id
      and relation.valid_to is null
      and ((relation.subject_id = mode.id and relation.predicate = 'affects'
            and relation.object_id in (select id from part))
           or (relation.object_id = mode.id and relation.subject_id = any(:ids)))
    where mode.account_id = :account_id and mode.kind = 'failure_mode'
      and mode.retired_at is null
    order by mode.code limit :most
""")


@dataclass(frozen=True, slots=True)
class Named:
    """A node of the plant model by its code and name."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class PlantOrder:
    """A work order with its text, and the codes of what it found and used."""

    id: UUID
    code: str
    name: str
    text: str
    date: str
    is_open: bool
    updated_at: datetime
    sha256: str
    modes: tuple[str, ...] = ()
    parts: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureMode:
    """A failure mode of the FMEA or of earlier orders, with its causes and remedies."""

    code: str
    name: str
    causes: tuple[Named, ...] = ()
    remedies: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """The newest work orders of an asset and its parts, and their failure modes."""

    orders: Sequence[PlantOrder] = ()
    modes: Sequence[FailureMode] = field(default=())


async def load_history(session: AsyncSession, account_id: UUID, asset_id: UUID) -> OrderHistory:
    """Load the work orders and failure modes of an asset and its parts, the newest first."""
    parameters = {"account_id": account_id, "asset_id": asset_id, "most": MAX_ORDERS}
    rows = (await session.execute(_ORDERS, parameters)).all()
    ids = [row.id for row in rows]
    related = await _related(session, account_id, ids)
    modes = (await session.execute(_MODES, {**parameters, "ids": ids})).all()
    known = await _related(session, account_id, [one.id for one in modes])
    return OrderHistory(
        [_order(row, related[row.id]) for row in rows],
        [
            FailureMode(
                one.code,
                one.name,
                _named(known[one.id], "caused_by"),
                _named(known[one.id], "remedied_by"),
            )
            for one in modes
        ],
    )


def order_text(name: str, properties: Mapping[str, Any]) -> str:
    """Return what people wrote in a work order: its name and the values of its properties."""
    values = [
        str(one.get("value", "")) for key, one in properties.items() if key not in OWN_PROPERTIES
    ]
    return "\n".join(dict.fromkeys(line for line in (name, *values) if line))[:_MAX_TEXT]


def content_hash(name: str, properties: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what people wrote in a work order."""
    kept = {key: one for key, one in properties.items() if key not in OWN_PROPERTIES}
    return hashlib.sha256(msgspec.json.encode([name, kept], order="sorted")).hexdigest()


async def _related(
    session: AsyncSession, account_id: UUID, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Any]]:
    """Return the entities that some entities have relations to, by subject."""
    found: dict[UUID, list[Any]] = defaultdict(list)
    if ids:
        rows = await session.execute(_RELATED, {"account_id": account_id, "ids": list(ids)})
        for row in rows.all():
            found[row.subject_id].append(row)
    return found


def _named(rows: Sequence[Any], predicate: str) -> tuple[Named, ...]:
    """Return the related nodes of one predicate."""
    return tuple(Named(row.code, row.name) for row in rows if row.predicate == predicate)


def _order(row: Any, related: Sequence[Any]) -> PlantOrder:
    """Return a work order with its relations."""
    values = {key: str(one.get("value", "")) for key, one in row.properties.items()}
    is_closed = bool(values.get("finished")) or values.get("status", "").casefold() in _CLOSED
    return PlantOrder(
        id=row.id,
        code=row.code,
        name=row.name,
        text=order_text(row.name, row.properties),
        date=values.get("date", ""),
        is_open=not is_closed,
        updated_at=row.updated_at,
        sha256=content_hash(row.name, row.properties),
        modes=tuple(one.code for one in related if one.predicate == "found"),
        parts=tuple(Named(one.code, one.name) for one in related if one.kind == "material"),
    )
