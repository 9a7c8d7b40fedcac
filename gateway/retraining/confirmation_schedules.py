"""Schedules of trainings that start by confirmed mappings of plant points, not by time.

gateway/alignment/training.py writes the file and sets `next_at` once there are enough of them.
"""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.audit_log import Actor
from gateway.tables import RetrainingRun, RetrainingSchedule, RetrainingStatus, RetrainingTrigger
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_EVERY = RetrainingTrigger.CONFIRMATIONS


class ScheduleTaken(AppError):
    """The model is trained on a schedule of another kind."""

    status = 409
    type = "invalid_request_error"
    code = "retraining_schedule_taken"


async def set_confirmation_schedule(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    key_id: UUID,
    base: str,
    name: str,
    budget_nano: int,
) -> None:
    """Let confirmations train the versions of a name, which need not exist; the key pays.

    Raises ScheduleTaken.
    """
    values = {"key_id": key_id, "budget_nano": budget_nano, "changed_by": actor.public_id}
    statement = insert(RetrainingSchedule).values(
        id=ids.new_id(),
        account_id=account_id,
        base=base,
        name=name,
        every=_EVERY,
        filename=f"{name}-confirmations.jsonl",
        automatic=True,
        with_observations=False,
        created_at=clock.now(),
        **values,
    )
    statement = statement.on_conflict_do_update(
        index_elements=["account_id", "base", "name"],
        set_=values,
        where=col(RetrainingSchedule.every) == _EVERY,
    )
    stored = await session.execute(statement.returning(col(RetrainingSchedule.id)))
    if stored.one_or_none() is None:
        raise ScheduleTaken(
            f"The model {name!r} is trained on another schedule. Delete that, or choose another "
            "name.",
            param="name",
        )


async def find_confirmation_schedule(
    session: AsyncSession, account_id: UUID, base: str, name: str, *, is_locked: bool = False
) -> RetrainingSchedule | None:
    """Return the schedule of a name, None if confirmations do not train it."""
    query = select(RetrainingSchedule).where(
        col(RetrainingSchedule.account_id) == account_id,
        col(RetrainingSchedule.base) == base,
        col(RetrainingSchedule.name) == name,
        col(RetrainingSchedule.every) == _EVERY,
    )
    query = query.execution_options(populate_existing=True)
    return (await session.scalars(query.with_for_update() if is_locked else query)).one_or_none()


async def delete_confirmation_schedule(
    session: AsyncSession, account_id: UUID, base: str, name: str
) -> None:
    """Delete the schedule of a name with its runs, if there is one; a job that runs goes on."""
    await session.execute(
        delete(RetrainingSchedule).where(
            col(RetrainingSchedule.account_id) == account_id,
            col(RetrainingSchedule.base) == base,
            col(RetrainingSchedule.name) == name,
            col(RetrainingSchedule.every) == _EVERY,
        )
    )


async def has_open_run(session: AsyncSession, schedule: RetrainingSchedule) -> bool:
    """Whether a training of a schedule is due or goes on."""
    query = select(RetrainingRun.id).where(
        col(RetrainingRun.account_id) == schedule.account_id,
        col(RetrainingRun.schedule_id) == schedule.id,
        col(RetrainingRun.status) == RetrainingStatus.STARTED,
    )
    return schedule.next_at is not None or (await session.scalars(query)).first() is not None
