"""Start a training once an account has confirmed enough mappings.

confirmed points -> training file -> the schedule is due, in one transaction

The runner of retraining schedules does the rest: quote, job, comparison with the version in use.
"""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.alignment.concepts import built_in_vocabulary
from gateway.plant.alignment.training_lines import (
    count_new,
    is_enough,
    read_lines,
    read_names,
    render_lines,
    select_lines,
)
from gateway.plant.store.alignment_facts import (
    count_confirmed_since,
    find_active_tags,
    list_confirmed,
)
from gateway.registry.files import FINE_TUNE_PURPOSE, create_file
from gateway.retraining.confirmation_schedules import find_confirmation_schedule, has_open_run
from gateway.retraining.schedules import find_current_job, sum_committed
from gateway.tables import PlantAlignment, RetrainingSchedule, TrainingFile
from infra.clock import Clock


async def start_training(session: AsyncSession, clock: Clock, row: PlantAlignment) -> bool:
    """Make the training of an account due if enough is confirmed; returns whether it was.

    `row` is locked. Raises TooManyFiles.
    """
    account_id = row.account_id
    schedule = await find_confirmation_schedule(
        session, account_id, row.model, row.name, is_locked=True
    )
    if schedule is None or await has_open_run(session, schedule):
        return False
    if schedule.budget_nano <= await sum_committed(session, schedule, clock.now()):
        return False
    confirmed = await count_confirmed_since(session, account_id, row.trained_at, row.threshold)
    if confirmed < row.threshold:
        return False
    content = await _training_file(session, row, schedule)
    if content is None:
        return False
    await create_file(session, clock, account_id, schedule.filename or row.name, content)
    schedule.next_at = row.trained_at = clock.now()
    await session.flush()
    return True


async def _training_file(
    session: AsyncSession, row: PlantAlignment, schedule: RetrainingSchedule
) -> bytes | None:
    """Return the training file; None if too little is new since the last one.

    Confirmations of the version in use stay, unless their tags are those of points.
    """
    job = await find_current_job(session, schedule)
    in_use = b"" if job is None else await _content(session, row, id=job.training_file_id)
    newest = await _content(session, row, filename=schedule.filename)
    earlier, before = read_lines(in_use), read_lines(newest)
    active = await find_active_tags(session, row.account_id, list(earlier))
    kept = [(tag, concept) for tag, concept in earlier.items() if tag not in active]
    confirmed = [*await list_confirmed(session, row.account_id), *kept]
    lines = await asyncio.to_thread(select_lines, confirmed)
    if count_new(lines, before) < row.threshold or not is_enough(lines):
        return None
    content = render_lines(lines, earlier, built_in_vocabulary(), read_names(in_use))
    return content if is_enough(read_lines(content)) else None


async def _content(session: AsyncSession, row: PlantAlignment, **wanted: object) -> bytes:
    """Return the newest training file with an id or a name; empty if it was deleted."""
    conditions = [getattr(TrainingFile, name) == value for name, value in wanted.items()]
    query = (
        select(col(TrainingFile.content))
        .where(
            col(TrainingFile.account_id) == row.account_id,
            col(TrainingFile.purpose) == FINE_TUNE_PURPOSE,
            *conditions,
        )
        .order_by(col(TrainingFile.id).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none() or b""
