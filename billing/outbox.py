"""The outbox: what is to be done outside, written in the transaction that decided it.

Nothing reaches another system but from here. An item is done once for its business key, as far as
this side can see; where an answer is lost it is tried again under the same key, by which the
other side knows it. Items of one subject are done in order, of several subjects a few at once. No
transaction is open meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.tables import OutboxItem
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_LEASE = timedelta(minutes=5)
_FIRST_RETRY = timedelta(seconds=10)
_SLOWEST = timedelta(hours=1)
_PATIENCE = timedelta(days=3)
_AT_ONCE = 4
# Of what is the first of its subject that is not done, what is due for longest. One, because the
# lease of a second would run while the first is being done.
_TAKE = """
    update outbox set due_at = :until, attempts = attempts + 1
    where id = (
        select o.id from outbox o
        where o.done_at is null and o.given_up_at is null and o.due_at <= :now
          and o.action = any(:actions)
          and not exists (
              select from outbox e where e.subject = o.subject and e.id < o.id
                and e.done_at is null and e.given_up_at is null
          )
        order by o.due_at, o.id limit 1 for update of o skip locked
    )
    returning id, account_id, action, subject, business_key, payload, attempts, created_at
"""


class TryLater(Exception):
    """The other side did not answer, or said to come again."""


class Refused(Exception):
    """The other side understood, and will not do it; trying again would not help."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item that was taken to be done; `attempts` counts this one."""

    id: UUID
    account: UUID | None
    action: str
    subject: str
    business_key: str
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime

    @property
    def account_id(self) -> UUID:
        """Whose it is, where it is an account's. Raises Refused."""
        if self.account is None:
            raise Refused("It belongs to no account.")
        return self.account


Handler = Callable[[Item], Awaitable[None]]


async def put(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID | None,
    action: str,
    subject: str,
    business_key: str,
    payload: Mapping[str, Any],
) -> None:
    """Have it done; the same business key again changes nothing. Without an account it is for a
    person of the platform."""
    now = clock.now()
    await session.execute(
        insert(OutboxItem)
        .values(
            id=ids.new_id(),
            account_id=account_id,
            action=action,
            subject=subject,
            business_key=business_key,
            payload=dict(payload),
            created_at=now,
            due_at=now,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["business_key"])
    )


async def deliver(database: Database, clock: Clock, handlers: Mapping[str, Handler]) -> int:
    """Do what is due of these actions, until nothing is; gives how many were done.

    Several at once: each that has found an item lets another look, up to a few. So a tick without
    work asks the database once.
    """
    return await _lane(database, clock, handlers, _AT_ONCE)


async def _lane(
    database: Database, clock: Clock, handlers: Mapping[str, Handler], at_once: int
) -> int:
    first = await _take(database, clock, list(handlers))
    if first is None:
        return 0

    async def work(item: Item | None) -> int:
        done = 0
        while item is not None:
            done += await _do(database, clock, handlers[item.action], item)
            item = await _take(database, clock, list(handlers))
        return done

    lanes = [work(first)]
    if at_once > 1:
        lanes.append(_lane(database, clock, handlers, at_once - 1))
    ended = await asyncio.gather(*lanes, return_exceptions=True)
    failed = [one for one in ended if isinstance(one, BaseException)]
    if failed:
        raise failed[0]
    return sum(one for one in ended if isinstance(one, int))


async def retry(session: AsyncSession, clock: Clock, item_id: UUID) -> None:
    """Try an item that was given up once more. For operators.

    It keeps count of its attempts: from the second on, handlers look for what earlier ones did.
    """
    await session.execute(
        update(OutboxItem)
        .where(col(OutboxItem.id) == item_id, col(OutboxItem.done_at).is_(None))
        .values(given_up_at=None, due_at=clock.now(), created_at=clock.now())
    )


async def _take(database: Database, clock: Clock, actions: list[str]) -> Item | None:
    now = clock.now()
    values = {"now": now, "until": now + _LEASE, "actions": actions}
    async with database.transaction() as session:
        row = (await session.execute(text(_TAKE), values)).one_or_none()
    return None if row is None else Item(*row)


async def _do(database: Database, clock: Clock, handler: Handler, item: Item) -> bool:
    try:
        await handler(item)
    except Refused as error:
        await _note(database, clock, item, str(error), given_up=True)
        return False
    except Exception as error:
        # Whatever it is: other items go on, and the reason is where an operator looks.
        if not isinstance(error, TryLater):
            structlog.get_logger().exception("an outbox item failed", action=item.action)
        given_up = clock.now() - item.created_at > _PATIENCE
        await _note(database, clock, item, str(error) or type(error).__name__, given_up)
        return False
    async with database.transaction() as session:
        await session.execute(
            update(OutboxItem)
            .where(col(OutboxItem.id) == item.id)
            .values(done_at=clock.now(), last_error=None)
        )
    return True


async def _note(database: Database, clock: Clock, item: Item, reason: str, given_up: bool) -> None:
    """Write down what went wrong, and when it is tried again, if it is."""
    log = structlog.get_logger()
    log.warning("an outbox item was not done", action=item.action, reason=reason, end=given_up)
    wait = min(_FIRST_RETRY * 2 ** min(item.attempts - 1, 12), _SLOWEST)
    now = clock.now()
    async with database.transaction() as session:
        await session.execute(
            update(OutboxItem)
            .where(col(OutboxItem.id) == item.id)
            .values(
                due_at=now + wait,
                last_error=reason[:1000],
                given_up_at=now if given_up else None,
            )
        )
