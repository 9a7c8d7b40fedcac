"""Work queues over the rows of existing tables: claim, lease, retry with back-off, give up.

    LeasedQueue   a claim expires: the row is claimable again when its lease has ended
    OwnedQueue    a claim lasts until its owner, such as a process, releases it or is lost

A claim is one `UPDATE … FOR UPDATE SKIP LOCKED` statement that counts the attempt, so concurrent
claimers never get the same row. It is committed before the work begins: no transaction is open
while a row is worked on. The table keeps its own columns for results and errors
(docs/decisions/0036).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped

from infra.database.due_work import ProcessValue, TimeValue

Row = TypeVar("Row")
Column = Mapped[Any]
Condition = ColumnElement[bool]
# Keeps the product in the range of timedelta; maximum delays are reached long before.
_MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is repeated, and which attempt is the last.

    The delay after the first attempt is `first_delay`. It doubles with each further attempt, up to
    `max_delay`. `max_attempts` and `max_age` are None if they are unlimited.
    """

    first_delay: timedelta = timedelta(0)
    max_delay: timedelta = timedelta(0)
    max_attempts: int | None = None
    max_age: timedelta | None = None

    def delay(self, attempts: int) -> timedelta:
        """Return the delay after the failed attempt with this number, counted from 1."""
        doublings = min(attempts - 1, _MAX_DOUBLINGS)
        return min(self.first_delay * (1 << doublings), self.max_delay)

    def gives_up_after(self, attempts: int, age: timedelta = timedelta(0)) -> bool:
        """Return whether this failed attempt was the last, by its number or the item's age."""
        if self.max_age is not None and age > self.max_age:
            return True
        return self.max_attempts is not None and attempts >= self.max_attempts

    def is_exceeded_by(self, attempts: int) -> bool:
        """Return whether an attempt's number is above the maximum: earlier owners were lost."""
        return self.max_attempts is not None and attempts > self.max_attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueue(Generic[Row]):
    """The rows of a mapped table that are `pending`, claimed in the order of the columns `order`.

    `attempts` is the column that counts claims.
    """

    table: type[Row]
    id: Column
    attempts: Column
    pending: Condition
    order: Sequence[Column]
    retry: RetryPolicy

    async def _claim_first(
        self, session: AsyncSession, conditions: Sequence[Condition], values: Mapping[Any, Any]
    ) -> Row | None:
        """Claim the first row that meets the conditions and that no other transaction locks.

        Returns the updated row, or None if there is none.
        """
        first = (
            select(self.id)
            .where(*conditions)
            .order_by(*self.order)
            .limit(1)
            .with_for_update(skip_locked=True)
            # It names the table that is updated, and must not refer to the row being updated.
            .correlate(None)
            .scalar_subquery()
        )
        statement = (
            update(self.table)
            .where(self.id == first)
            .values({self.attempts: self.attempts + 1, **values})
            .returning(self.table)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        return (await session.scalars(statement)).one_or_none()

    async def _update(
        self, session: AsyncSession, item_id: object, values: Mapping[Any, Any]
    ) -> None:
        """Set columns of the row with this id; objects loaded in the session keep old values."""
        await session.execute(
            update(self.table)
            .where(self.id == item_id)
            .values(values)
            .execution_options(synchronize_session=False)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedQueue(WorkQueue[Row]):
    """A queue whose claims expire after `lease`.

    `due_at` is the column with the earliest time of the next claim, never null: when the row was
    added, when its lease ends, or when the delay after a failed attempt has passed.
    """

    due_at: Column
    lease: timedelta

    async def claim(
        self, session: AsyncSession, now: datetime, *conditions: Condition
    ) -> Row | None:
        """Claim the first due row that meets the conditions. Returns None if there is none."""
        is_due = self.due_at <= now
        return await self._claim_first(
            session, (self.pending, is_due, *conditions), {self.due_at: now + self.lease}
        )

    async def record_failure(
        self,
        session: AsyncSession,
        now: datetime,
        item_id: object,
        attempts: int,
        **values: object,
    ) -> None:
        """End a claim whose attempt failed: set the time of the next attempt, and `values`."""
        next_attempt_at = now + self.retry.delay(attempts)
        await self._update(session, item_id, {self.due_at: next_attempt_at, **values})

    async def finish(self, session: AsyncSession, item_id: object, **values: object) -> None:
        """Set `values`, after which the row is no longer pending."""
        await self._update(session, item_id, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedQueue(WorkQueue[Row]):
    """A queue whose claims last until their owner releases them or is lost.

    `owner` is the column with the owner's id, null for a row that nobody works on. `lost_owners`
    selects the ids of owners that have ended. An owner works on one row at a time. `retry_at` is
    the column with the earliest time of the next claim, null for now; without it, a released row
    is claimable at once.
    """

    owner: Column
    lost_owners: Select[UUID]
    retry_at: Column | None = None

    def claimable_condition(self, now: TimeValue, owner: ProcessValue) -> Condition:
        """Return the SQL condition of rows that `owner` may claim.

        An owner holds no row when it claims one, so a row with its own id is one that it failed to
        release while the database was unavailable.
        """
        is_free = or_(self.owner.is_(None), self.owner == owner, self.owner.in_(self.lost_owners))
        if self.retry_at is None:
            return and_(self.pending, is_free)
        return and_(self.pending, or_(self.retry_at.is_(None), self.retry_at <= now), is_free)

    def claimable_rows(self, now: TimeValue, owner: ProcessValue) -> Select[Any]:
        """Return the query of the ids of rows that `owner` may claim."""
        return select(self.id).where(self.claimable_condition(now, owner))

    async def claim(
        self,
        session: AsyncSession,
        now: datetime,
        owner: UUID,
        *conditions: Condition,
        **values: object,
    ) -> Row | None:
        """Claim the first claimable row that meets the conditions, and set `values` in it.

        Returns None if there is none.
        """
        return await self._claim_first(
            session,
            (self.claimable_condition(now, owner), *conditions),
            {self.owner: owner, **values},
        )

    async def claim_fairly(
        self,
        session: AsyncSession,
        now: datetime,
        owner: UUID,
        account: Column,
        **values: object,
    ) -> Row | None:
        """Claim the first claimable row of a random account, and set `values` in it.

        Returns None if there is none. Choosing the account at random keeps one with long work from
        delaying others. `account` is the column with the account's id.
        """
        accounts = select(account).where(self.claimable_condition(now, owner)).group_by(account)
        chosen = (await session.scalars(accounts.order_by(func.random()).limit(1))).one_or_none()
        if chosen is None:
            return None
        return await self.claim(session, now, owner, account == chosen, **values)

    async def lock_claimed(
        self, session: AsyncSession, item_id: object, owner: UUID, *conditions: Condition
    ) -> Row | None:
        """Lock and return a claimed row; None if it is done or `owner` no longer holds it.

        Returns None if it is no longer pending, or `owner` no longer holds it.
        """
        query = select(self.table).where(
            self.id == item_id, self.pending, self.owner == owner, *conditions
        )
        return (await session.scalars(query.with_for_update())).one_or_none()

    async def release_failed(
        self, session: AsyncSession, row: Row, owner: UUID, now: datetime
    ) -> None:
        """Release a row that `owner` claimed and whose end could not be recorded.

        It is due after the back-off, at once in a queue without `retry_at`.
        """
        values: dict[Any, Any] = {self.owner: None}
        if self.retry_at is not None:
            values[self.retry_at] = now + self.retry.delay(getattr(row, self.attempts.key))
        is_held = and_(self.id == getattr(row, self.id.key), self.owner == owner)
        statement = update(self.table).where(is_held).values(values)
        await session.execute(statement.execution_options(synchronize_session=False))


class ClaimedRow(Protocol):
    """A row of an owned queue that is claimed by a process."""

    attempts: int
    process_id: UUID | None
    retry_at: datetime | None


def release_claim(
    row: ClaimedRow,
    retry: RetryPolicy,
    now: datetime,
    made_progress: bool = False,
    delay_s: float = 0.0,
) -> None:
    """Release the claim on a row: due after `delay_s`, and without progress after the back-off.

    Progress starts the count of attempts again.
    """
    row.process_id = None
    delay = timedelta(seconds=delay_s)
    if made_progress:
        row.attempts = 0
    else:
        delay = max(delay, retry.delay(row.attempts))
    row.retry_at = now + delay if delay else None
