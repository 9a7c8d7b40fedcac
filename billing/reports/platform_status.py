"""Platform status for metrics: workers, jobs, outbox, inbox, open invoices, last record check.

For operators: reads across accounts (account_id), but only returns counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.job_queue import TaskState, count_running_workers, list_task_states
from infra import ids

# Uses a partial index of unfinished items, so completed items cost nothing. Failed items are those
# of the last week, by the time in their ids.
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
_FAPIAO = """
    select status, count(*), min(requested_at) from fapiao
    where status in ('requested', 'issuing') group by 1 order by 1
"""
# Orders of the last day by the time in their ids.
_PAYMENT_ORDERS = """
    select method, state, count(*) from payment_order where id > :since group by 1, 2
    union all
    select o.method, 'refunding', count(*)
    from payment_refund r join payment_order o on o.id = r.order_id
    where r.poll_at is not null group by 1
    order by 1, 2
"""
_PAYMENT_DISCREPANCIES = """
    select o.method, count(*)
    from payment_discrepancy d join payment_order o on o.id = d.order_id
    where d.resolved_at is null group by 1 order by 1
"""
# Decisions of the last day by the time in their ids.
_CREDIT_REFUSALS = """
    select refusal ->> 'scope', count(distinct account_id) from credit_decision
    where id > :since and refusal is not null group by 1 order by 1
"""
# By partial index of pending deliveries; failed are those of the last day by the time in their ids.
_NOTIFICATIONS = """
    select e.kind, case when d.attempts > 0 then 'retrying' else 'waiting' end, count(*)
    from notification_delivery d join notification_endpoint e on e.id = d.endpoint_id
    where d.status = 'pending' group by 1, 2
    union all
    select e.kind, 'failed', count(*)
    from notification_delivery d join notification_endpoint e on e.id = d.endpoint_id
    where d.id > :since and d.status = 'failed' group by 1
    order by 1, 2
"""
_ORDER_WINDOW = timedelta(days=1)
_FAILED_WINDOW = timedelta(days=7)
_LAST_CHECK = "select at, count from check_run order by at desc, id desc limit 1"


@dataclass(frozen=True, slots=True)
class LabelledCount:
    """A count with the metric label values it belongs to."""

    names: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True)
class PlatformStatus:
    """Platform status at one instant.

    Labels: `outbox` action and state, `inbox` state, `invoices` currency and overdue (yes, no),
    `fapiao` state, `payment_orders` provider and state (also `refunding`), `payment_discrepancies`
    provider, `credit_refusals` scope, `notifications` kind of endpoint and state (failed within a
    day). Failed outbox items are those of the last week. `checked_at` is None before the first
    check, `oldest_fapiao` while no fapiao waits.
    """

    workers: int
    jobs: Sequence[TaskState]
    outbox: Sequence[LabelledCount]
    inbox: Sequence[LabelledCount]
    invoices: Sequence[LabelledCount]
    fapiao: Sequence[LabelledCount]
    oldest_fapiao: datetime | None
    notifications: Sequence[LabelledCount]
    payment_orders: Sequence[LabelledCount]
    payment_discrepancies: Sequence[LabelledCount]
    credit_refusals: Sequence[LabelledCount]
    checked_at: datetime | None
    differences: int


async def read_platform_status(session: AsyncSession, now: datetime) -> PlatformStatus:
    """Read the platform status at one instant."""
    since = ids.lowest_id_at(now - _FAILED_WINDOW)
    last_check = (await session.execute(text(_LAST_CHECK))).one_or_none()
    invoices = (await session.execute(text(_INVOICES), {"now": now})).all()
    fapiao = (await session.execute(text(_FAPIAO))).all()
    today = {"since": ids.lowest_id_at(now - _ORDER_WINDOW)}
    return PlatformStatus(
        workers=await count_running_workers(session),
        jobs=await list_task_states(session),
        outbox=_labelled_counts((await session.execute(text(_OUTBOX), {"since": since})).all()),
        inbox=_labelled_counts((await session.execute(text(_INBOX))).all()),
        invoices=[
            LabelledCount((currency, "yes" if overdue else "no"), count)
            for currency, overdue, count in invoices
        ],
        fapiao=[LabelledCount((status,), count) for status, count, _ in fapiao],
        oldest_fapiao=min((requested_at for *_, requested_at in fapiao), default=None),
        notifications=_labelled_counts((await session.execute(text(_NOTIFICATIONS), today)).all()),
        payment_orders=_labelled_counts(
            (await session.execute(text(_PAYMENT_ORDERS), today)).all()
        ),
        payment_discrepancies=_labelled_counts(
            (await session.execute(text(_PAYMENT_DISCREPANCIES))).all()
        ),
        credit_refusals=_labelled_counts(
            (await session.execute(text(_CREDIT_REFUSALS), today)).all()
        ),
        checked_at=None if last_check is None else last_check[0],
        differences=0 if last_check is None else last_check[1],
    )


def _labelled_counts(rows: Sequence[Any]) -> list[LabelledCount]:
    """Convert rows to counts: the last column is the count, the others are its labels."""
    return [LabelledCount(tuple(row[:-1]), row[-1]) for row in rows]
