"""Schedules and runs as rows: set, find, what is due, what a month's runs may still cost."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.quotas import month_start
from billing.tables import Usage
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.registry.files import find_file
from gateway.registry.variants import list_live_versions, parse_public_id
from gateway.tables import (
    Adaptation,
    AdaptationStatus,
    RetrainingRun,
    RetrainingSchedule,
    RetrainingStatus,
    RetrainingTrigger,
    Variant,
    VariantDrift,
)
from gateway.wire.own_models.retraining import RetrainingRequest
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from models.drift.psi import DriftLevel

RUN_ID_PREFIX = "retrain"
SHOWN_RUNS = 20
_LAST_DAY = 28


class ScheduleNotFound(AppError):
    """The model has no schedule."""

    status = 404
    type = "invalid_request_error"
    code = "retraining_not_found"


async def set_schedule(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    key_id: UUID,
    model: str,
    request: RetrainingRequest,
) -> RetrainingSchedule:
    """Set the schedule of an own model, with an audit entry; the key pays.

    Raises ModelNotFound, FileNotFound.
    """
    await list_live_versions(session, account_id, model)
    base, name = parse_public_id(account_id, model)
    file_id = None
    if request.file is not None:
        file_id = (await find_file(session, account_id, request.file)).id
    now, every = clock.now(), RetrainingTrigger(request.every)
    values = {
        "key_id": key_id,
        "every": every,
        "file_id": file_id,
        "filename": request.filename,
        "budget_nano": request.budget_nano,
        "automatic": request.automatic,
        "with_observations": request.with_observations,
        "next_at": next_due(every, now, now),
        "changed_by": actor.public_id,
    }
    statement = insert(RetrainingSchedule).values(
        id=ids.new_id(), account_id=account_id, base=base, name=name, created_at=now, **values
    )
    statement = statement.on_conflict_do_update(
        index_elements=["account_id", "base", "name"], set_=values
    )
    returning = statement.returning(RetrainingSchedule)
    row = (await session.scalars(returning.execution_options(populate_existing=True))).one()
    details = {"every": row.every, "budget": request.budget, "automatic": row.automatic}
    await record_audit_event(
        session, clock, actor, account_id, "model.retraining_set", row.name, details
    )
    return row


async def find_schedule(session: AsyncSession, account_id: UUID, model: str) -> RetrainingSchedule:
    """Return the schedule of a model. Raises ModelNotFound, ScheduleNotFound."""
    base, name = parse_public_id(account_id, model)
    query = select(RetrainingSchedule).where(
        col(RetrainingSchedule.account_id) == account_id,
        col(RetrainingSchedule.base) == base,
        col(RetrainingSchedule.name) == name,
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise ScheduleNotFound(f"The model {model[:200]!r} is not trained on a schedule.")
    return row


async def find_current_job(
    session: AsyncSession, schedule: RetrainingSchedule
) -> Adaptation | None:
    """Return the job that trained the version that answers calls; None if the model was deleted."""
    query = (
        select(Adaptation)
        .join(Variant, col(Variant.adaptation_id) == col(Adaptation.id))
        .where(
            col(Variant.account_id) == schedule.account_id,
            col(Variant.base) == schedule.base,
            col(Variant.name) == schedule.name,
            col(Variant.current),
        )
    )
    return (await session.scalars(query)).one_or_none()


async def delete_schedule(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, model: str
) -> None:
    """Delete the schedule of a model with its runs, with an audit entry; a job that runs goes on.

    Raises ModelNotFound, ScheduleNotFound.
    """
    row = await find_schedule(session, account_id, model)
    await session.execute(
        delete(RetrainingSchedule).where(
            col(RetrainingSchedule.id) == row.id,
            col(RetrainingSchedule.account_id) == account_id,
        )
    )
    await record_audit_event(session, clock, actor, account_id, "model.retraining_deleted", model)


async def list_runs(
    session: AsyncSession, schedule: RetrainingSchedule, limit: int = SHOWN_RUNS
) -> Sequence[RetrainingRun]:
    """Return the newest runs of a schedule, newest first."""
    query = select(RetrainingRun).where(
        col(RetrainingRun.schedule_id) == schedule.id,
        col(RetrainingRun.account_id) == schedule.account_id,
    )
    return (await session.scalars(query.order_by(col(RetrainingRun.id).desc()).limit(limit))).all()


async def find_due(
    session: AsyncSession, now: datetime, delayed: Collection[UUID] = ()
) -> tuple[RetrainingSchedule, str] | None:
    """Return a schedule of any account that is due, and what triggers it; None if none is.

    A schedule with a run that goes on is not due; those `delayed` are left out.
    """
    goes_on = (
        select(col(RetrainingRun.id))
        .where(
            col(RetrainingRun.schedule_id) == col(RetrainingSchedule.id),
            col(RetrainingRun.status) == RetrainingStatus.STARTED,
        )
        .exists()
    )
    drifted = (
        select(col(VariantDrift.variant_id))
        .join(Variant, col(Variant.id) == col(VariantDrift.variant_id))
        .where(
            col(Variant.account_id) == col(RetrainingSchedule.account_id),
            col(Variant.base) == col(RetrainingSchedule.base),
            col(Variant.name) == col(RetrainingSchedule.name),
            col(Variant.current),
            col(VariantDrift.level) == DriftLevel.SIGNIFICANT,
            ~select(col(RetrainingRun.id))
            .where(
                col(RetrainingRun.schedule_id) == col(RetrainingSchedule.id),
                col(RetrainingRun.trigger) == func.concat("drift:", col(Variant.id)),
            )
            .exists(),
        )
        .correlate(RetrainingSchedule)
        .scalar_subquery()
    )
    query = (
        select(RetrainingSchedule, drifted)
        .where(
            ~goes_on,
            col(RetrainingSchedule.id).not_in(delayed),
            or_(
                col(RetrainingSchedule.next_at) <= now,
                (col(RetrainingSchedule.every) == RetrainingTrigger.DRIFT) & drifted.is_not(None),
            ),
        )
        .order_by(col(RetrainingSchedule.next_at).nulls_last())
        .limit(1)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    schedule, variant_id = found
    if schedule.next_at is not None:
        return schedule, _trigger_at(schedule, schedule.next_at)
    return schedule, f"drift:{variant_id}"


async def claim_trigger(
    session: AsyncSession, clock: Clock, schedule: RetrainingSchedule, trigger: str
) -> RetrainingSchedule | None:
    """Lock the schedule and move it to its next time; None if another process was quicker.

    The unique name of the run makes sure that one trigger starts one run.
    """
    query = select(RetrainingSchedule).where(
        col(RetrainingSchedule.id) == schedule.id,
        col(RetrainingSchedule.account_id) == schedule.account_id,
    )
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        return None
    known = select(col(RetrainingRun.id)).where(
        col(RetrainingRun.schedule_id) == row.id,
        col(RetrainingRun.account_id) == row.account_id,
        col(RetrainingRun.trigger) == trigger,
    )
    if (await session.scalars(known)).first() is not None:
        return None
    if row.next_at is not None:
        if _trigger_at(row, row.next_at) != trigger:
            return None
        row.next_at = next_due(RetrainingTrigger(row.every), row.next_at, clock.now())
    await session.flush()
    return row


async def sum_committed(session: AsyncSession, schedule: RetrainingSchedule, now: datetime) -> int:
    """Return what the runs of this calendar month cost, or may still cost, in nano-units.

    A job that ended without a bill costs nothing, unless its rejected model can still be accepted.
    """
    cost = select(col(Usage.cost_nano)).where(
        col(Usage.request_id) == col(Adaptation.request_id),
        col(Usage.account_id) == schedule.account_id,
    )
    query = (
        select(RetrainingRun.max_cost_nano, Adaptation, cost.scalar_subquery())
        .join(Adaptation, col(Adaptation.id) == col(RetrainingRun.job_id))
        .where(
            col(RetrainingRun.schedule_id) == schedule.id,
            col(RetrainingRun.account_id) == schedule.account_id,
            col(RetrainingRun.created_at) >= month_start(now),
        )
    )
    committed = 0
    for max_nano, job, billed in (await session.execute(query)).all():
        is_over = AdaptationStatus(job.status).over
        is_acceptable = job.candidate_until is not None and job.candidate_until > now
        committed += (billed or 0) if is_over and not is_acceptable else max_nano
    return committed


def _trigger_at(schedule: RetrainingSchedule, due: datetime) -> str:
    """Return the name of the trigger of a schedule that is due at a time."""
    by_count = schedule.every == RetrainingTrigger.CONFIRMATIONS
    return f"confirmations:{due.isoformat()}" if by_count else due.isoformat()


def next_due(every: RetrainingTrigger, previous: datetime, now: datetime) -> datetime | None:
    """Return the next time after `previous` that is later than `now`.

    None for drift and confirmations. A month later is the same day, at most the 28th.
    """
    if every in (RetrainingTrigger.DRIFT, RetrainingTrigger.CONFIRMATIONS):
        return None
    due = previous
    while due <= now:
        if every is RetrainingTrigger.WEEK:
            due += timedelta(days=7)
        else:
            years, month = divmod(due.month, 12)
            day = min(due.day, _LAST_DAY)
            due = due.replace(year=due.year + years, month=month + 1, day=day)
    return due
