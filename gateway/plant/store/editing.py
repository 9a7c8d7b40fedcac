"""What the changes of single assets, points, entities and relations share.

Every change increases the revision of the account's plant model, which also keeps two changes of
one account apart, and has an audit log entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import exists
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.plant.assets.errors import PlantKeyTaken, PlantModelInvalid, PlantNodeRetired
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    DataType,
    MappingStatus,
    Point,
    Source,
)
from gateway.plant.store.applying import Writing
from gateway.plant.store.loading import read_properties
from gateway.plant.store.revisions import count_active
from gateway.tables.plant import PlantAsset, PlantEntity, PlantPoint
from infra.clock import Clock
from models.problems import Problem, Problems, single_problem
from models.sentences import sentence

Row = TypeVar("Row", PlantAsset, PlantPoint, PlantEntity)


@dataclass(frozen=True, slots=True)
class Editing:
    """The actor, account, limits and transaction of a change of the plant model."""

    session: AsyncSession
    clock: Clock
    actor: Actor
    account_id: UUID
    limits: PlantLimits

    def writing(self, source: Source = Source.MANUAL, actor: str | None = None) -> Writing:
        """Return the context of bulk statements, made by the person or key, or by `actor`."""
        made_by = actor or self.actor.public_id or "cli"
        return Writing(self.session, self.account_id, source, made_by, self.clock.now(), {})

    async def record(self, action: str, subject: str, details: Mapping[str, Any]) -> None:
        """Record a change in the audit log."""
        await record_audit_event(
            self.session, self.clock, self.actor, self.account_id, action, subject, details
        )


async def require_room(editing: Editing, table: Any, name: str, most: int) -> None:
    """Raise PlantModelInvalid if an account has as many active rows as it may."""
    if await count_active(editing.session, editing.account_id, table) >= most:
        message = sentence(
            "The account would have {count} {name}; at most {most} are allowed.",
            count=most + 1,
            name=name,
            most=most,
        )
        fix = sentence("Retire some, or ask the operator for a higher limit.")
        raise PlantModelInvalid(single_problem("plant_limit_reached", message, fix, name), name)


async def require_free(editing: Editing, table: Any, key: str, text_key: str) -> None:
    """Raise PlantKeyTaken if an active row of the account has the key."""
    query = select(
        exists().where(
            col(table.account_id) == editing.account_id,
            getattr(table, key) == text_key,
            col(table.retired_at).is_(None),
        )
    )
    if (await editing.session.scalars(query)).one():
        raise PlantKeyTaken(f"The account has an active object with this {key}.", param=key)


async def code_of(editing: Editing, asset_id: UUID | None) -> str | None:
    """Return the code of an asset by its id."""
    if asset_id is None:
        return None
    query = select(PlantAsset.code).where(
        col(PlantAsset.account_id) == editing.account_id, col(PlantAsset.id) == asset_id
    )
    return (await editing.session.scalars(query)).one()


def require_active(row: Row) -> Row:
    """Return a row. Raises PlantNodeRetired if it is retired."""
    if row.retired_at is not None:
        raise PlantNodeRetired("It is retired and cannot be changed.")
    return row


def asset_value(row: PlantAsset, parent: str | None) -> Asset:
    """Return the value of an asset's row, with the code of its parent."""
    return Asset(
        row.code, row.name, AssetLevel(row.level), parent, row.types,
        read_properties(row.properties), row.global_id,
    )  # fmt: skip


def point_value(row: PlantPoint, asset: str | None) -> Point:
    """Return the value of a point's row, with the code of its asset and its confirmed concept."""
    is_confirmed = row.mapping_status == MappingStatus.CONFIRMED
    return Point(
        row.tag, row.name, asset, row.unit, DataType(row.data_type), row.low, row.high,
        Concept(row.concept_scheme, row.concept_id) if is_confirmed else None,
    )  # fmt: skip


def raise_first(problems: Problems) -> None:
    """Raise PlantModelInvalid with the field of the first problem, if there is one."""
    if problems.count:
        first: Problem = problems.shown[0]
        raise PlantModelInvalid(problems, first.field)
