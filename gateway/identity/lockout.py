"""Attempts: how often somebody may guess, and the growing pauses after that.

Counted is by e-mail, so that many addresses guess at one person no faster than one, and by network
address, so that one guesses at many persons no faster than at one. An attempt is counted before it
is judged and given back where it was right: a thousand at once are a thousand. The counts lie in
PostgreSQL, the same for all gateways.
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

_FORGOTTEN = timedelta(days=1)
# A lock that ends later than any can is one of a clock that was wrong: it holds nobody. By this
# much gateways' clocks may differ.
_WRONG_CLOCK = timedelta(hours=1)
_COUNT = text(
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
_GIVE_BACK = text(
    "update attempts set count = greatest(count - 1, 0), locked_until = null "
    "where subject = :subject"
)
_SWEEP = text(
    "delete from attempts where subject in (select subject from attempts "
    "where last_at < :forgotten order by last_at limit 100 for update skip locked)"
)


class LockedOut(AppError):
    """Too many attempts; the next one counts after `seconds`."""

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
class Rule:
    """How many attempts are free, then the first pause, which doubles up to the longest."""

    free: int
    first: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Counted:
    """Something that attempts are counted by. Only its hash is kept."""

    what: str
    value: str
    rule: Rule

    @property
    def subject(self) -> bytes:
        return hashlib.sha256(f"{self.what}:{self.value}".encode(errors="replace")).digest()


async def count(session: AsyncSession, clock: Clock, counted: Iterable[Counted]) -> None:
    """Count one attempt by each; commit it whatever comes of the attempt.

    Raises LockedOut, and then counts it by none.
    """
    # In one order everywhere: so no two transactions wait in a ring.
    for one in sorted(counted, key=lambda it: it.subject):
        if (await session.execute(_COUNT, _values(one, clock.now()))).one_or_none() is None:
            raise LockedOut(await _seconds_left(session, clock, one))


async def give_back(session: AsyncSession, counted: Iterable[Counted]) -> None:
    """Count one attempt less: it was right, or led to a further step."""
    for one in sorted(counted, key=lambda it: it.subject):
        await session.execute(_GIVE_BACK, {"subject": one.subject})


async def forget(session: AsyncSession, clock: Clock, counted: Counted) -> bool:
    """Count no attempt any more; False where none was. Old counts go with it."""
    gone = await session.execute(
        delete(Attempts)
        .where(col(Attempts.subject) == counted.subject)
        .returning(col(Attempts.subject))
    )
    found = gone.one_or_none() is not None
    await session.execute(_SWEEP, {"forgotten": clock.now() - _FORGOTTEN})
    return found


async def _seconds_left(session: AsyncSession, clock: Clock, counted: Counted) -> int:
    query = select(Attempts.locked_until).where(col(Attempts.subject) == counted.subject)
    until = (await session.execute(query)).scalar_one_or_none()
    left = 0.0 if until is None else (until - clock.now()).total_seconds()
    return max(1, math.ceil(left))


def _values(counted: Counted, now: datetime) -> dict[str, Any]:
    rule = counted.rule
    return {
        "subject": counted.subject,
        "now": now,
        "forgotten": now - _FORGOTTEN,
        "never": now + rule.longest + _WRONG_CLOCK,
        "free": rule.free,
        "first": rule.first.total_seconds(),
        "longest": rule.longest.total_seconds(),
    }
