"""How the platform stands, for its metrics: jobs, deliveries, invoices to be paid, the last check.

For operators: it looks across accounts (account_id), and names none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.job_queue import TaskState, running_workers, task_states
from infra import ids

# By an index that holds only what is not done, so that years of the done cost nothing; of what was
# given up, by the ids' order, that of the last week.
_OUTBOX = """
    select action, case when last_error is not null then 'retrying' else 'waiting' end, count(*)
    from outbox where done_at is null and given_up_at is null group by 1, 2
    union all
    select action, 'failed', count(*) from outbox
    where id > :since and done_at is null and given_up_at is not null group by 1, 2
    order by 1, 2
"""
_INBOX = """
    select case when outcome is not null then 'retrying' else 'waiting' end, count(*)
    from inbox where handled_at is null group by 1 order by 1
"""
_INVOICES = """
    select currency, due_at < :now, count(*) from invoice
    where status = 'open' group by 1, 2 order by 1, 2
"""
_REMEMBERED = timedelta(days=7)
_CHECK = "select at, count from check_run order by at desc, id desc limit 1"


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are of what these names stand for."""

    names: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True)
class PlatformStanding:
    """`outbox` is by action and state, `inbox` by state, `invoices` by currency and `yes` where
    they are overdue. Of what was given up, that of a week counts. `checked_at` None: never yet."""

    workers: int
    jobs: Sequence[TaskState]
    outbox: Sequence[Counted]
    inbox: Sequence[Counted]
    invoices: Sequence[Counted]
    checked_at: datetime | None
    differences: int


async def platform_standing(session: AsyncSession, now: datetime) -> PlatformStanding:
    """All of it, of one moment."""
    since = ids.first_at(now - _REMEMBERED)
    check = (await session.execute(text(_CHECK))).one_or_none()
    invoices = (await session.execute(text(_INVOICES), {"now": now})).all()
    return PlatformStanding(
        workers=await running_workers(session),
        jobs=await task_states(session),
        outbox=_counted((await session.execute(text(_OUTBOX), {"since": since})).all()),
        inbox=_counted((await session.execute(text(_INBOX))).all()),
        invoices=[
            Counted((currency, "yes" if overdue else "no"), count)
            for currency, overdue, count in invoices
        ],
        checked_at=None if check is None else check[0],
        differences=0 if check is None else check[1],
    )


def _counted(rows: Sequence[Any]) -> list[Counted]:
    return [Counted(tuple(row[:-1]), row[-1]) for row in rows]
