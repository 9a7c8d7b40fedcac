"""Login throttling: count attempts and lock out with exponential back-off.

Attempts are counted per e-mail address (against distributed guessing at one person) and per network
(against one client that guesses at many). An attempt is counted before the credentials are checked
and uncounted on success, so concurrent attempts cannot bypass the limit. The counters are in
PostgreSQL, shared by all gateways.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables import Attempts
from infra.clock import Clock
from infra.errors import AppError

_RETENTION = timedelta(days=1)
# A lock that ends later than policy and clock skew allow was set by a wrong clock: it is ignored.
_MAX_CLOCK_SKEW = timedelta(hours=1)
_COUNT_SQL = text(
    """
    insert into attempts as a (subject, count, last_at)
    values (:subject, 1, :now)
    on conflict (subject) do update set
        count = case when a.last_at < :forgotten then 1 else a.count + 1 end,
        last_at = :now,
        locked_until = case
            when a.last_at < :forgotten or a.count + 1 < :free then null
            else cast(:now as timestamptz) + interval '1 second'
                * least(:first * power(2, least(a.count + 1 - :free, 30)), :longest)
        end
    where a.locked_until is null or a.locked_until <= :now or a.locked_until > :never
    returning count
    """
)
_UNCOUNT_SQL = text(
    "update attempts set count = greatest(count - 1, 0), locked_until = null "
    "where subject = :subject"
)
_DELETE_OLD_SQL = text(
    "delete from attempts where subject in (select subject from attempts "
    "where last_at < :forgotten order by last_at limit 100 for update skip locked)"
)


class LockedOut(AppError):
    """Too many attempts; the next attempt is allowed after `seconds`."""

    status = 429
    type = "invalid_request_error"
    code = "locked_out"

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(
            f"Too many attempts. Try again in {seconds} seconds.",
            headers={"retry-after": str(seconds)},
        )


@dataclass(frozen=True, slots=True)
class LockoutPolicy:
    """The number of free attempts, then the first lock's duration, doubling up to the maximum."""

    free_attempts: int
    first_lock: timedelta
    max_lock: timedelta


@dataclass(frozen=True, slots=True)
class AttemptCounter:
    """The counter of attempts for one value, such as an e-mail address. Only its hash is stored."""

    kind: str
    value: str
    policy: LockoutPolicy

    @property
    def digest(self) -> bytes:
        """SHA-256 of kind and value, the primary key of the table."""
        return hashlib.sha256(f"{self.kind}:{self.value}".encode(errors="replace")).digest()


async def count_attempt(
    session: AsyncSession, clock: Clock, counters: Iterable[AttemptCounter]
) -> None:
    """Count one attempt in each counter. Commit the transaction whatever the attempt's result.

    Raises LockedOut; roll back then, so that no counter changes.
    """
    # Sorted, so that concurrent transactions cannot deadlock.
    for counter in sorted(counters, key=lambda counter: counter.digest):
        counted = await session.execute(_COUNT_SQL, _count_parameters(counter, clock.now()))
        if counted.one_or_none() is None:
            raise LockedOut(await _seconds_left(session, clock, counter))


async def require_not_locked(session: AsyncSession, clock: Clock, counter: AttemptCounter) -> None:
    """Raise LockedOut while the counter is locked; changes nothing.

    For secrets that cannot be guessed, of which only failures are counted.
    """
    query = select(Attempts.locked_until).where(col(Attempts.subject) == counter.digest)
    until, now = await session.scalar(query), clock.now()
    if until is not None and now < until <= now + counter.policy.max_lock + _MAX_CLOCK_SKEW:
        raise LockedOut(max(1, math.ceil((until - now).total_seconds())))


async def uncount_attempt(session: AsyncSession, counters: Iterable[AttemptCounter]) -> None:
    """Undo the count of an attempt that succeeded or led to the second factor."""
    for counter in sorted(counters, key=lambda counter: counter.digest):
        await session.execute(_UNCOUNT_SQL, {"subject": counter.digest})


async def reset_attempts(session: AsyncSession, clock: Clock, counter: AttemptCounter) -> bool:
    """Delete a counter and up to 100 counters that are older than the retention.

    Returns False if the counter did not exist.
    """
    deleted = await session.execute(
        delete(Attempts)
        .where(col(Attempts.subject) == counter.digest)
        .returning(col(Attempts.subject))
    )
    existed = deleted.one_or_none() is not None
    await delete_old_attempts(session, clock)
    return existed


async def delete_old_attempts(session: AsyncSession, clock: Clock) -> None:
    """Delete up to 100 counters that are older than the retention."""
    await session.execute(_DELETE_OLD_SQL, {"forgotten": clock.now() - _RETENTION})


async def _seconds_left(session: AsyncSession, clock: Clock, counter: AttemptCounter) -> int:
    """Return the whole seconds until the counter's lock ends, at least 1."""
    query = select(Attempts.locked_until).where(col(Attempts.subject) == counter.digest)
    until = (await session.execute(query)).scalar_one_or_none()
    left = 0.0 if until is None else (until - clock.now()).total_seconds()
    return max(1, math.ceil(left))


def _count_parameters(counter: AttemptCounter, now: datetime) -> dict[str, Any]:
    """Return the SQL parameters to count one attempt under the counter's lockout policy."""
    policy = counter.policy
    return {
        "subject": counter.digest,
        "now": now,
        "forgotten": now - _RETENTION,
        "never": now + policy.max_lock + _MAX_CLOCK_SKEW,
        "free": policy.free_attempts,
        "first": policy.first_lock.total_seconds(),
        "longest": policy.max_lock.total_seconds(),
    }
