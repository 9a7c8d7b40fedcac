"""The settings of plant alignment as rows: set, find, delete, claim for a turn, count spending."""

from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.metering.process_reaper import ENDED_PROCESSES
from billing.metering.quotas import month_start
from gateway.call.errors import ParameterInvalid
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.retraining.confirmation_schedules import (
    delete_confirmation_schedule,
    find_confirmation_schedule,
    set_confirmation_schedule,
)
from gateway.tables import PlantAlignment, RetrainingSchedule
from gateway.upstream.availability import find_catalog_model
from gateway.wire.own_models.plant_alignment import DEFAULT_THRESHOLD, AlignmentRequest
from infra.clock import Clock
from infra.errors import AppError
from infra.work_queue import OwnedQueue, RetryPolicy
from models.catalog import Catalog, Task

QUEUE = OwnedQueue(
    table=PlantAlignment,
    id=col(PlantAlignment.account_id),
    attempts=col(PlantAlignment.attempts),
    pending=col(PlantAlignment.account_id).is_not(None),
    # The account whose turn is longest ago comes first.
    order=(col(PlantAlignment.retry_at), col(PlantAlignment.account_id)),
    retry=RetryPolicy(timedelta(seconds=2), timedelta(minutes=10)),
    owner=col(PlantAlignment.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(PlantAlignment.retry_at),
)


class AlignmentNotFound(AppError):
    """Nothing proposes mappings of the account's points."""

    status = 404
    type = "invalid_request_error"
    code = "plant_alignment_not_found"


async def set_alignment(
    session: AsyncSession,
    clock: Clock,
    catalog: Catalog,
    actor: Actor,
    account_id: UUID,
    key_id: UUID,
    request: AlignmentRequest,
) -> PlantAlignment:
    """Set how an account's mappings are proposed and learned, with an audit entry; the key pays.

    Raises ModelNotFound, ParameterInvalid for a model of another task, ScheduleTaken.
    """
    request = msgspec.structs.replace(
        request, model=request.model or catalog.with_task(Task.ALIGNMENT)[0].id
    )
    if find_catalog_model(catalog, request.model).task is not Task.ALIGNMENT:
        raise ParameterInvalid(f"The model {request.model!r} does not align tags.", param="model")
    await _forget_other_model(session, account_id, request)
    now, training = clock.now(), request.training
    values = {
        "key_id": key_id,
        "model": request.model,
        "name": request.name,
        "budget_nano": request.budget_nano,
        "threshold": DEFAULT_THRESHOLD if training is None else training.confirmations,
        "seen_revision": -1,
        "retry_at": None,
        "code": None,
        "message": None,
        "changed_by": actor.public_id,
    }
    first = {"spent_since": month_start(now), "spent_nano": 0, "attempts": 0, "seen_model": ""}
    statement = insert(PlantAlignment).values(
        account_id=account_id, created_at=now, **first, **values
    )
    statement = statement.on_conflict_do_update(index_elements=["account_id"], set_=values)
    returning = statement.returning(PlantAlignment).execution_options(populate_existing=True)
    row = (await session.scalars(returning)).one()
    if training is None:
        await delete_confirmation_schedule(session, account_id, row.model, row.name)
    else:
        await set_confirmation_schedule(
            session, clock, actor, account_id, key_id, row.model, row.name, training.budget_nano
        )
    details = {"model": row.model, "budget": request.budget, "training": training is not None}
    await record_audit_event(
        session, clock, actor, account_id, "plant.alignment_set", row.name, details
    )
    return row


async def find_alignment(session: AsyncSession, account_id: UUID) -> PlantAlignment:
    """Return the settings of an account. Raises AlignmentNotFound."""
    row = await session.get(PlantAlignment, account_id, populate_existing=True)
    if row is None:
        raise AlignmentNotFound("Nothing proposes mappings of the account's points.")
    return row


async def delete_alignment(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID
) -> None:
    """End proposals and trainings, with an audit entry; versions and proposals stay.

    Raises AlignmentNotFound.
    """
    row = await find_alignment(session, account_id)
    await delete_confirmation_schedule(session, account_id, row.model, row.name)
    await session.execute(
        delete(PlantAlignment).where(col(PlantAlignment.account_id) == account_id)
    )
    await record_audit_event(session, clock, actor, account_id, "plant.alignment_deleted", row.name)


async def lock_claimed(
    session: AsyncSession, row: PlantAlignment, process_id: UUID
) -> PlantAlignment | None:
    """Lock the settings of a turn; None if they were deleted or another process has them."""
    return await QUEUE.lock_claimed(session, row.account_id, process_id)


async def find_schedule_of(session: AsyncSession, row: PlantAlignment) -> RetrainingSchedule | None:
    """Return the schedule by which confirmations train; None if they do not."""
    return await find_confirmation_schedule(session, row.account_id, row.model, row.name)


def spent_this_month(row: PlantAlignment, clock: Clock) -> int:
    """Return what proposals have cost in this calendar month (UTC), in nano-units."""
    return row.spent_nano if row.spent_since >= month_start(clock.now()) else 0


def add_spending(row: PlantAlignment, clock: Clock, cost_nano: int) -> None:
    """Add the cost of a call to the spending of this calendar month."""
    row.spent_nano = spent_this_month(row, clock) + cost_nano
    row.spent_since = month_start(clock.now())


async def _forget_other_model(
    session: AsyncSession, account_id: UUID, request: AlignmentRequest
) -> None:
    """Delete the schedule of the model that the account's settings name, if that changes."""
    row = await session.get(PlantAlignment, account_id, populate_existing=True)
    if row is not None and (row.model, row.name) != (request.model, request.name):
        await delete_confirmation_schedule(session, account_id, row.model, row.name)
        row.trained_at = None
        await session.flush()
