"""Work orders of the plant model: status from a maintenance system, events to it, and a CSV list.

A work order is an entity. Its status and its number in the maintenance system are properties.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.events.emission import Event, emit_event
from billing.events.texts import localised
from billing.notifications.messages import EmailNotice
from gateway.plant.assets.ids import ASSET, ENTITY, not_found
from gateway.plant.assets.values import EntityKind, NodeKind
from gateway.plant.store.editing import Editing, require_active
from gateway.plant.store.queries import find_entity
from gateway.plant.store.revisions import advance_revision
from gateway.plant.tag_lists.columns import escape_cell
from gateway.tables.plant import PlantAsset, PlantEntity, PlantRelation
from infra import ids
from infra.clock import Clock

_STATUS, _EXTERNAL_ID, _EXTERNAL_STATUS, _NOTE = (
    "status", "external_id", "external_status", "note",
)  # fmt: skip
_REPORTED_AT = "status_reported_at"
_SHOWN = (_STATUS, "due_at", "action", "agent_action", _EXTERNAL_ID, _EXTERNAL_STATUS, _NOTE)
_COLUMNS = ("id", "code", "name", "asset", *_SHOWN, "created_at", "updated_at")
MAX_EXPORTED = 10_000


class WorkOrderStatus(StrEnum):
    """Where a work order stands."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class WorkOrderEvent(StrEnum):
    """What happened to a work order, as the type of the event."""

    CREATED = "work_order.created"
    UPDATED = "work_order.updated"
    CANCELLED = "work_order.cancelled"


_NOTICES: Mapping[WorkOrderEvent, str] = MappingProxyType(
    {one: f"work_order_{one.value.partition('.')[2]}" for one in WorkOrderEvent}
)


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a maintenance system says of a work order; empty texts change nothing.

    at: when it became so. An older report than the last one changes nothing.
    """

    status: WorkOrderStatus
    external_id: str = ""
    external_status: str = ""
    note: str = ""
    at: datetime | None = None


async def report_status(editing: Editing, order: str, report: StatusReport) -> PlantEntity:
    """Apply a report to a work order; a repeated or older one changes nothing.

    Raises PlantNodeNotFound, PlantNodeRetired.
    """
    await advance_revision(editing.session, editing.account_id)
    found = await find_entity(editing.session, editing.account_id, order, EntityKind.WORK_ORDER)
    row = require_active(require_work_order(found))
    changed = _changes(row, report)
    if not changed:
        return row
    row.properties = row.properties | {name: _property(value) for name, value in changed.items()}
    row.updated_at = editing.clock.now()
    await editing.session.flush()
    details = {"code": row.code, **changed}
    await editing.record("plant.work_order_reported", ids.format_id(ENTITY, row.id), details)
    is_ended = changed.get(_STATUS) == WorkOrderStatus.CANCELLED
    kind = WorkOrderEvent.CANCELLED if is_ended else WorkOrderEvent.UPDATED
    await emit_work_order(editing.session, editing.clock, row, kind)
    return row


async def emit_work_order(
    session: AsyncSession, clock: Clock, row: PlantEntity, kind: WorkOrderEvent,
    reason: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Emit an event of a work order; reason: the figures of the agent that created it."""
    asset = (await load_assets(session, row.account_id, [row.id])).get(row.id)
    shown = work_order_json(row, asset)
    values = {"code": row.code, "name": row.name, "asset": "" if asset is None else asset.name}
    await emit_event(
        session,
        clock,
        Event(
            row.account_id,
            kind.value,
            f"{kind.value}:{row.id}:{row.updated_at.isoformat()}",
            shown | ({} if reason is None else {"reason": dict(reason)}),
            localised(EmailNotice(_NOTICES[kind], values).render_without_greeting),
            f"/dashboard/plant/objects/{shown['id']}",
        ),
    )


async def load_assets(
    session: AsyncSession, account_id: UUID, order_ids: Sequence[UUID]
) -> Mapping[UUID, PlantAsset]:
    """Return the asset that each work order concerns, also of relations that have ended."""
    query = (
        select(PlantRelation.subject_id, PlantAsset)
        .join(PlantAsset, col(PlantAsset.id) == col(PlantRelation.object_id))
        .where(
            col(PlantRelation.account_id) == account_id,
            col(PlantAsset.account_id) == account_id,
            col(PlantRelation.subject_id).in_(order_ids),
            col(PlantRelation.object_kind) == NodeKind.ASSET.value,
        )
        .order_by(col(PlantRelation.id))
    )
    return {order_id: asset for order_id, asset in (await session.execute(query)).all()}


def require_work_order(row: PlantEntity) -> PlantEntity:
    """Return a work order. Raises PlantNodeNotFound for any other entity."""
    if row.kind != EntityKind.WORK_ORDER.value:
        raise not_found(ENTITY)
    return row


def work_order_json(row: PlantEntity, asset: PlantAsset | None) -> dict[str, Any]:
    """Return a work order as the API and events show it."""
    return {
        "id": ids.format_id(ENTITY, row.id),
        "object": "plant.work_order",
        "code": row.code,
        "name": row.name,
        "asset": None if asset is None else _asset_json(asset),
        **{name: _value(row, name) for name in _SHOWN},
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
        "retired_at": None if row.retired_at is None else row.retired_at.isoformat(),
    }


def render_work_orders(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return work orders as CSV in UTF-8 with a byte order mark."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for row in rows:
        asset = row["asset"]
        flat = {**row, "asset": None if asset is None else asset["code"]}
        writer.writerow([escape_cell(str(flat[name] or "")) for name in _COLUMNS])
    return "\ufeff".encode() + out.getvalue().encode()


def _changes(row: PlantEntity, report: StatusReport) -> dict[str, str]:
    """Return the properties that a report changes."""
    last = _value(row, _REPORTED_AT)
    if report.at is not None and last is not None and report.at < datetime.fromisoformat(last):
        return {}
    wanted = {
        _STATUS: report.status.value,
        _EXTERNAL_ID: report.external_id,
        _EXTERNAL_STATUS: report.external_status,
        _NOTE: report.note,
    }
    changed = {
        name: value for name, value in wanted.items() if value and value != _value(row, name)
    }
    if changed and report.at is not None:
        changed[_REPORTED_AT] = report.at.isoformat()
    return changed


def _value(row: PlantEntity, name: str) -> str | None:
    """Return a property as text, None without it."""
    value = row.properties.get(name, {}).get("value")
    return None if value in (None, "") else str(value)


def _property(value: str) -> dict[str, str]:
    """Return a property with a text."""
    return {"value": value, "unit": "", "semantic_id": ""}


def _asset_json(asset: PlantAsset) -> dict[str, str]:
    """Return the names of an asset."""
    return {"id": ids.format_id(ASSET, asset.id), "code": asset.code, "name": asset.name}
