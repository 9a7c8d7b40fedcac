"""Totals: usage rows added up by hour, each in the period that bills it.

Each row is taken in once: rows carry the transaction that wrote them, and a step takes those of
all transactions that have ended since the step before. A row counts into the open period that
holds its start; where that one is closed, into the account's oldest open one, as late. What began
after the last period, as a gateway's clock may say, is in that one until the next has begun. Totals
can be rebuilt from the rows: who was late follows from when a period was cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.products import PRODUCT_SQL
from billing.rating.quantities import METERS, Quantities
from billing.rating.statement import Consumed
from billing.subscriptions.periods import ensure_periods
from infra.clock import Clock
from infra.database.database import take_time

NO_TERMS = UUID(int=0)

# Of the open periods of an account, the first also takes what began before it, and the last what
# began after it, which a gateway's clock may say.
_OPEN = """
    open_period as (
        select id, account_id, starts_at,
               case when row_number() over each = 1 then '-infinity' else starts_at end as since,
               case when lead(id) over each is null then 'infinity' else ends_at end as until
        from billing_period where closed_at is null
        window each as (partition by account_id order by starts_at)
    )
"""
_UNITS = ", ".join(f"coalesce(sum(u.{meter}), 0)" for meter in METERS)
_SUMS = f"count(*), {_UNITS}, sum(u.cost_nano)"
_COUNTED = ", ".join(("calls", *METERS, "cost_nano"))
_ADD = ", ".join(f"{name} = t.{name} + excluded.{name}" for name in _COUNTED.split(", "))
_NONE = "'00000000-0000-0000-0000-000000000000'::uuid"
_BY_HOUR = f"""
    insert into usage_total as t (
        period_id, hour, model, plan_version_id, key_id, operation, settlement, late,
        account_id, {_COUNTED}
    )
    select p.id, date_trunc('hour', u.started_at, 'UTC'), {PRODUCT_SQL},
           coalesce(u.plan_version_id, {_NONE}), coalesce(u.key_id, {_NONE}),
           u.operation, u.settlement, u.started_at < p.starts_at, p.account_id, {_SUMS}
    from usage u join open_period p
      on p.account_id = u.account_id and u.started_at >= p.since and u.started_at < p.until
    where {{which}}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    order by 1, 2
    on conflict (period_id, hour, model, plan_version_id, key_id, operation, settlement, late)
    do update set {_ADD}
"""  # noqa: S608  # put together of the constants above
_BY_TAG = f"""
    insert into usage_tag_total as t (
        period_id, tag, value, model, plan_version_id, late, account_id, {_COUNTED}
    )
    select p.id, g.key, g.value, {PRODUCT_SQL}, coalesce(u.plan_version_id, {_NONE}),
           u.started_at < p.starts_at, p.account_id, {_SUMS}
    from usage u join open_period p
      on p.account_id = u.account_id and u.started_at >= p.since and u.started_at < p.until
    cross join lateral jsonb_each_text(u.tags) g
    where {{which}} and u.tags is not null
      and u.settlement in ('complete', 'client_abort')
    group by 1, 2, 3, 4, 5, 6, 7
    on conflict (period_id, tag, value, model, plan_version_id, late) do update set {_ADD}
"""  # noqa: S608  # put together of the constants above
_BY_COVER = """
    insert into usage_cover_total as t (account_id, quota_id, units)
    select u.account_id, q.key::uuid, sum(q.value::bigint)
    from usage u cross join lateral jsonb_each(u.covered) m
    cross join lateral jsonb_each_text(m.value) q
    where {which} and u.covered is not null
    group by 1, 2
    on conflict (account_id, quota_id) do update set units = t.units + excluded.units
"""
_NEW = "u.written_in >= :since and u.written_in < :cut and u.account_id is not null"
_GROWN = _BY_HOUR.format(which=_NEW) + " returning t.account_id"
_WHOSE = "select distinct account_id from moved"
# What no closed period has: it began after the last one, or was written after its cut.
_OF_OPEN = """
    u.account_id = :account and u.written_in < :cut and not exists (
        select from billing_period c
        where c.account_id = u.account_id and c.closed_at is not null
          and u.started_at < c.ends_at and u.written_in < c.cut
    )
"""
# Periods that are not the last any more, and count what began after them: since hours of UTC may
# hold a midnight, what is counted from the last one's hour on is held against its rows.
_AHEAD = """
    select p.account_id
    from billing_period p join billing_period n
      on n.account_id = p.account_id and n.starts_at = p.ends_at
    where p.closed_at is null and (
        select coalesce(sum(t.calls), 0) from usage_total t
        where t.period_id = p.id and t.hour >= date_trunc('hour', p.ends_at, 'UTC')
    ) <> (
        select count(*) from usage u
        -- plus nothing: one account's rows are found by their time, not by who wrote them
        where u.account_id = p.account_id and u.written_in + 0 < :since
          and u.started_at >= date_trunc('hour', p.ends_at, 'UTC') and u.started_at < p.ends_at
    )
"""
_STALE = """
    insert into stale_credit (account_id) select unnest(cast(:accounts as uuid[]))
    on conflict do nothing
"""
_PERIODS = f"""
    select period_id, plan_version_id, model, late,
           {", ".join(f"sum({meter})" for meter in METERS)}, sum(cost_nano)
    from usage_total
    where account_id = :account and period_id = any(:periods)
      and settlement in ('complete', 'client_abort')
    group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""  # noqa: S608  # the same


@dataclass(frozen=True, slots=True)
class PeriodTotals:
    """What a period counts: usage by the terms that priced it, NO_TERMS where none did, and what
    its calls cost as they went, in nano-units."""

    consumed: Mapping[UUID, Sequence[Consumed]]
    cost_nano: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """A step of the totals: accounts whose usage grew, and whose credit is to be put right."""

    cut: int
    accounts: tuple[UUID, ...]


async def advance(session: AsyncSession, clock: Clock) -> Advanced:
    """Take in what was written since the last step. For operators: of all accounts (account_id).

    A row of a transaction that has not ended waits for a later step, and all that began after it.
    """
    await take_time(session)
    # A month of many accounts is grouped in memory, as far as a modest machine has it.
    await session.execute(text("set local work_mem = '48MB'"))
    since = await stop_totals(session)
    now_ended = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    cut = int((await session.execute(text(now_ended))).scalar_one())
    # After the cut was taken: every account that has a row before it has a period then.
    await ensure_periods(session, clock.now())
    values = {"since": since, "cut": cut}
    for (account_id,) in (await session.execute(text(_AHEAD), values)).all():
        await recount(session, account_id)
    grown = await session.execute(text(f"with {_OPEN}, moved as ({_GROWN}) {_WHOSE}"), values)
    accounts = tuple(row[0] for row in grown)
    await session.execute(text(_STALE), {"accounts": list(accounts)})
    await session.execute(text(f"with {_OPEN} {_BY_TAG.format(which=_NEW)}"), values)
    await session.execute(text(_BY_COVER.format(which=_NEW)), values)
    await session.execute(
        text("update usage_cursor set consumed = :cut, moved_at = :now"),
        {"cut": cut, "now": clock.now()},
    )
    return Advanced(cut, accounts)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where totals are: all transactions before `consumed` are in them, as of `moved_at`."""

    consumed: int
    moved_at: datetime


async def hold_totals(session: AsyncSession) -> Cursor:
    """Keep totals from moving until the transaction ends; gives where they are."""
    query = "select consumed, moved_at from usage_cursor for share"
    consumed, moved_at = (await session.execute(text(query))).one()
    return Cursor(int(consumed), moved_at)


async def stop_totals(session: AsyncSession) -> int:
    """The same for who is going to count, or to move periods: nobody else does meanwhile."""
    query = "select consumed from usage_cursor for update"
    return int((await session.execute(text(query))).scalar_one())


async def recount(session: AsyncSession, account_id: UUID) -> None:
    """Rebuild the totals of an account's open periods from its usage rows."""
    cut = await stop_totals(session)
    for table in ("usage_total", "usage_tag_total"):
        await session.execute(
            text(
                f"delete from {table} where account_id = :account and period_id in "  # noqa: S608
                "(select id from billing_period where account_id = :account and closed_at is null)"
            ),
            {"account": account_id},
        )
    values = {"account": account_id, "cut": cut}
    for query in (_BY_HOUR, _BY_TAG):
        await session.execute(text(f"with {_OPEN} {query.format(which=_OF_OPEN)}"), values)


async def covered_so_far(session: AsyncSession, account_id: UUID) -> dict[UUID, int]:
    """What the rows that are in the totals took of each quota of included units."""
    query = "select quota_id, units from usage_cover_total where account_id = :account"
    rows = await session.execute(text(query), {"account": account_id})
    return {quota_id: int(units) for quota_id, units in rows}


async def totals_of(
    session: AsyncSession, account_id: UUID, period_ids: Sequence[UUID]
) -> dict[UUID, PeriodTotals]:
    """What each of these periods counts."""
    values = {"account": account_id, "periods": list(period_ids)}
    costs = dict.fromkeys(period_ids, 0)
    found: dict[UUID, dict[UUID, dict[str, list[Quantities]]]] = {one: {} for one in period_ids}
    rows = (await session.execute(text(_PERIODS), values)).all()
    for period_id, version_id, model, late, *sums in rows:
        *units, cost = (int(value) for value in sums)
        models = found[period_id].setdefault(version_id, {})
        models.setdefault(model, [Quantities(), Quantities()])[late] = Quantities(*units)
        costs[period_id] += cost
    return {
        period_id: PeriodTotals(
            {
                version_id: [Consumed(model, *pair) for model, pair in models.items()]
                for version_id, models in versions.items()
            },
            costs[period_id],
        )
        for period_id, versions in found.items()
    }
