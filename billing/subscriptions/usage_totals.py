"""Usage totals: usage rows aggregated by hour, model, key and tag into billing periods.

Each row is aggregated exactly once: rows carry the id of the transaction that wrote them, and each
step aggregates the rows of all transactions that ended since the last step. A row belongs to the
open period that contains its start; if that period is closed, it is late usage of the account's
oldest open period. Rows after the last period (a gateway's clock is ahead) stay in it until the
next period begins. Totals can be rebuilt from the rows, because closing a period stores its cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.products import PRODUCT_SQL
from billing.rating.quantities import METERS, REASONING_TOKENS, Quantities
from billing.rating.statement import ModelUsage
from billing.subscriptions.periods import ensure_periods
from billing.subscriptions.project_totals import INSERT_PROJECT_TOTALS, aggregate_projects
from billing.subscriptions.upstream_totals import aggregate_upstreams
from infra.clock import Clock
from infra.database.database import allow_long_statements

NO_TERMS_ID = UUID(int=0)

# The first open period of an account also takes rows before it, and the last one rows after it
# (a gateway's clock may be ahead).
_OPEN_PERIOD_CTE = """
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
_SUMMED_COLUMNS = ", ".join(("calls", *METERS, "cost_nano"))
_ADD_EXCLUDED = ", ".join(
    f"{name} = t.{name} + excluded.{name}" for name in _SUMMED_COLUMNS.split(", ")
)
_ADD_REASONING = f"{REASONING_TOKENS} = t.{REASONING_TOKENS} + excluded.{REASONING_TOKENS}"
_NIL_UUID = "'00000000-0000-0000-0000-000000000000'::uuid"
_INSERT_HOUR_TOTALS = f"""
    insert into usage_total as t (
        period_id, hour, model, plan_version_id, key_id, operation, settlement, late,
        account_id, {_SUMMED_COLUMNS}, {REASONING_TOKENS}
    )
    select p.id, date_trunc('hour', u.started_at, 'UTC'), {PRODUCT_SQL},
           coalesce(u.plan_version_id, {_NIL_UUID}), coalesce(u.key_id, {_NIL_UUID}),
           u.operation, u.settlement, u.started_at < p.starts_at, p.account_id, {_SUMS},
           coalesce(sum(u.{REASONING_TOKENS}), 0)
    from usage u join open_period p
      on p.account_id = u.account_id and u.started_at >= p.since and u.started_at < p.until
    where {{which}}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    order by 1, 2
    on conflict (period_id, hour, model, plan_version_id, key_id, operation, settlement, late)
    do update set {_ADD_EXCLUDED}, {_ADD_REASONING}
"""  # noqa: S608  # put together of the constants above
_INSERT_TAG_TOTALS = f"""
    insert into usage_tag_total as t (
        period_id, tag, value, model, plan_version_id, late, account_id, {_SUMMED_COLUMNS}
    )
    select p.id, g.key, g.value, {PRODUCT_SQL}, coalesce(u.plan_version_id, {_NIL_UUID}),
           u.started_at < p.starts_at, p.account_id, {_SUMS}
    from usage u join open_period p
      on p.account_id = u.account_id and u.started_at >= p.since and u.started_at < p.until
    cross join lateral jsonb_each_text(u.tags) g
    where {{which}} and u.tags is not null
      and u.settlement in ('complete', 'client_abort')
    group by 1, 2, 3, 4, 5, 6, 7
    on conflict (period_id, tag, value, model, plan_version_id, late) do update set {_ADD_EXCLUDED}
"""  # noqa: S608  # put together of the constants above
_INSERT_COVER_TOTALS = """
    insert into usage_cover_total as t (account_id, quota_id, units)
    select u.account_id, q.key::uuid, sum(q.value::bigint)
    from usage u cross join lateral jsonb_each(u.covered) m
    cross join lateral jsonb_each_text(m.value) q
    where {which} and u.covered is not null
    group by 1, 2
    on conflict (account_id, quota_id) do update set units = t.units + excluded.units
"""
_INSERT_PACK_TOTALS = f"""
    insert into usage_pack_total as t (
        period_id, purchase_id, plan_version_id, model, meter, late, account_id, units
    )
    select p.id, k.id, coalesce(u.plan_version_id, {_NIL_UUID}), {PRODUCT_SQL}, m.key,
           u.started_at < p.starts_at, p.account_id, sum(q.value::bigint)
    from usage u join open_period p
      on p.account_id = u.account_id and u.started_at >= p.since and u.started_at < p.until
    cross join lateral jsonb_each(u.covered) m
    cross join lateral jsonb_each_text(m.value) q
    join pack_purchase k on k.id = q.key::uuid and k.account_id = u.account_id
    where {{which}} and u.covered is not null
    group by 1, 2, 3, 4, 5, 6, 7
    on conflict (period_id, purchase_id, plan_version_id, model, meter, late)
    do update set units = t.units + excluded.units
"""  # noqa: S608  # put together of the constants above
_NEW_ROWS = "u.written_in >= :since and u.written_in < :cut and u.account_id is not null"
_INSERT_NEW_HOUR_TOTALS = _INSERT_HOUR_TOTALS.format(which=_NEW_ROWS) + " returning t.account_id"
_CHANGED_ACCOUNTS = "select distinct account_id from moved"
# The end of the step, and whether it has any row. The cursors of the totals of upstreams and
# projects may be behind: they stay in steps without rows. The order is for the planner's index.
_FIND_NEW_ROWS = """
    select step.cut, (
        select u.written_in from usage u
        where u.written_in >= least(
                cast(:since as bigint), coalesce((select consumed from upstream_cursor), 0),
                coalesce((select consumed from project_cursor), 0)
              )
          and u.written_in < step.cut and u.account_id is not null
        order by u.written_in limit 1
    ) is not null
    from (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as cut) step
"""
# Rows that no closed period contains: begun after the last one, or written after its cut.
_ROWS_OF_OPEN_PERIODS = """
    u.account_id = :account and u.written_in < :cut and not exists (
        select from billing_period c
        where c.account_id = u.account_id and c.closed_at is not null
          and u.started_at < c.ends_at and u.written_in < c.cut
    )
"""
# Accounts with a period that is no longer the last one but still counts rows after its end. A UTC
# hour may contain local midnight, so the totals from the end's hour on are compared with the rows.
_ACCOUNTS_WITH_EARLY_ROWS = """
    select p.account_id
    from billing_period p join billing_period n
      on n.account_id = p.account_id and n.starts_at = p.ends_at
    where p.closed_at is null and (
        select coalesce(sum(t.calls), 0) from usage_total t
        where t.period_id = p.id and t.hour >= date_trunc('hour', p.ends_at, 'UTC')
    ) <> (
        select count(*) from usage u
        -- "+ 0" keeps the planner from using the index on written_in
        where u.account_id = p.account_id and u.written_in + 0 < :since
          and u.started_at >= date_trunc('hour', p.ends_at, 'UTC') and u.started_at < p.ends_at
    )
"""
_INSERT_STALE_CREDIT = """
    insert into stale_credit (account_id) select unnest(cast(:accounts as uuid[]))
    on conflict do nothing
"""
_PERIOD_TOTALS = f"""
    select period_id, plan_version_id, model, late,
           {", ".join(f"sum({meter})" for meter in METERS)}, sum(cost_nano)
    from usage_total
    where account_id = :account and period_id = any(:periods)
      and settlement in ('complete', 'client_abort')
    group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""  # noqa: S608  # the same
_PACK_TOTALS = """
    select period_id, plan_version_id, model, late, meter, sum(units)
    from usage_pack_total where account_id = :account and period_id = any(:periods)
    group by 1, 2, 3, 4, 5
"""
# Of one period, terms version and model, in time (False) or late (True): units by meter.
_PackedUnits = Mapping[tuple[UUID, UUID, str, bool], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class PeriodTotals:
    """Usage totals of a billing period by plan version, and the running cost in nano-units.

    Usage without terms is under `NO_TERMS_ID`.
    """

    consumed: Mapping[UUID, Sequence[ModelUsage]]
    cost_nano: int


@dataclass(frozen=True, slots=True)
class AggregationStep:
    """Result of an aggregation step: the new cursor, and the accounts with new usage, whose
    available credit must be refreshed."""

    cut: int
    accounts: tuple[UUID, ...]


async def aggregate_usage(session: AsyncSession, clock: Clock) -> AggregationStep:
    """Aggregate the usage rows written since the last step into the totals of all accounts.

    Rows of transactions that are still running, and of later ones, wait for a later step. For
    operators: reads across accounts (account_id).
    """
    await allow_long_statements(session)
    since = await lock_totals(session)
    found = await session.execute(text(_FIND_NEW_ROWS), {"since": since})
    cut, has_new_rows = found.one()
    # After the cut was taken, so that every account with a row before it has a period.
    await ensure_periods(session, clock.now())
    values = {"since": since, "cut": cut}
    for (account_id,) in (await session.execute(text(_ACCOUNTS_WITH_EARLY_ROWS), values)).all():
        await rebuild_totals(session, account_id)
    accounts = await _add_new_rows(session, values) if has_new_rows else ()
    await session.execute(
        text("update usage_cursor set consumed = :cut, moved_at = :now"),
        {"cut": cut, "now": clock.now()},
    )
    return AggregationStep(cut, accounts)


async def _add_new_rows(session: AsyncSession, values: Mapping[str, int]) -> tuple[UUID, ...]:
    """Add the rows of a step to all totals; return the accounts, whose credit becomes stale.

    An idle worker takes no such step: it would be most of the statements of an aggregation.
    """
    # Enough to group a month of many accounts in memory.
    await session.execute(text("set local work_mem = '48MB'"))
    changed_rows = await session.execute(
        text(f"with {_OPEN_PERIOD_CTE}, moved as ({_INSERT_NEW_HOUR_TOTALS}) {_CHANGED_ACCOUNTS}"),
        values,
    )
    accounts = tuple(row[0] for row in changed_rows)
    await session.execute(text(_INSERT_STALE_CREDIT), {"accounts": list(accounts)})
    await session.execute(
        text(f"with {_OPEN_PERIOD_CTE} {_INSERT_TAG_TOTALS.format(which=_NEW_ROWS)}"), values
    )
    await session.execute(text(_INSERT_COVER_TOTALS.format(which=_NEW_ROWS)), values)
    await session.execute(
        text(f"with {_OPEN_PERIOD_CTE} {_INSERT_PACK_TOTALS.format(which=_NEW_ROWS)}"), values
    )
    await aggregate_upstreams(session, values["cut"])
    await aggregate_projects(session, _OPEN_PERIOD_CTE, values["cut"])
    return accounts


@dataclass(frozen=True, slots=True)
class AggregationCursor:
    """Position of the totals: transactions before `consumed` are aggregated, as of `moved_at`."""

    consumed: int
    moved_at: datetime


async def share_lock_totals(session: AsyncSession) -> AggregationCursor:
    """Lock the totals in share mode; return the position up to which rows are aggregated."""
    query = "select consumed, moved_at from usage_cursor for share"
    consumed, moved_at = (await session.execute(text(query))).one()
    return AggregationCursor(int(consumed), moved_at)


async def lock_totals(session: AsyncSession) -> int:
    """Lock the totals exclusively; return the transaction id up to which rows are aggregated.

    Aggregation and changes of periods need the lock.
    """
    query = "select consumed from usage_cursor for update"
    return int((await session.execute(text(query))).scalar_one())


async def rebuild_totals(session: AsyncSession, account_id: UUID) -> None:
    """Rebuild the totals of an account's open periods from its usage rows."""
    cut = await lock_totals(session)
    for table in ("usage_total", "usage_tag_total", "usage_project_total", "usage_pack_total"):
        await session.execute(
            text(
                f"delete from {table} where account_id = :account and period_id in "  # noqa: S608
                "(select id from billing_period where account_id = :account and closed_at is null)"
            ),
            {"account": account_id},
        )
    values = {"account": account_id, "cut": cut}
    for query in (
        _INSERT_HOUR_TOTALS,
        _INSERT_TAG_TOTALS,
        INSERT_PROJECT_TOTALS,
        _INSERT_PACK_TOTALS,
    ):
        await session.execute(
            text(f"with {_OPEN_PERIOD_CTE} {query.format(which=_ROWS_OF_OPEN_PERIODS)}"), values
        )


async def covered_units_by_quota(session: AsyncSession, account_id: UUID) -> dict[UUID, int]:
    """Return the aggregated included units used from each allowance quota, by quota id."""
    query = "select quota_id, units from usage_cover_total where account_id = :account"
    rows = await session.execute(text(query), {"account": account_id})
    return {quota_id: int(units) for quota_id, units in rows}


async def load_period_totals(
    session: AsyncSession, account_id: UUID, period_ids: Sequence[UUID]
) -> dict[UUID, PeriodTotals]:
    """Return the usage totals of billing periods, by period id."""
    values = {"account": account_id, "periods": list(period_ids)}
    costs = dict.fromkeys(period_ids, 0)
    usage_by_period: dict[UUID, dict[UUID, dict[str, list[Quantities]]]] = {
        one: {} for one in period_ids
    }
    rows = (await session.execute(text(_PERIOD_TOTALS), values)).all()
    for period_id, version_id, model, late, *sums in rows:
        *units, cost = (int(value) for value in sums)
        models = usage_by_period[period_id].setdefault(version_id, {})
        models.setdefault(model, [Quantities(), Quantities()])[late] = Quantities(*units)
        costs[period_id] += cost
    packed = await _load_packed_units(session, values)
    return {
        period_id: PeriodTotals(
            {
                version_id: [
                    ModelUsage(
                        model,
                        pair[False],
                        pair[True],
                        packed.get((period_id, version_id, model, False), {}),
                        packed.get((period_id, version_id, model, True), {}),
                    )
                    for model, pair in models.items()
                ]
                for version_id, models in versions.items()
            },
            costs[period_id],
        )
        for period_id, versions in usage_by_period.items()
    }


async def _load_packed_units(session: AsyncSession, values: Mapping[str, object]) -> _PackedUnits:
    """Return the units that prepaid packs covered in the periods of an account."""
    packed: dict[tuple[UUID, UUID, str, bool], dict[str, int]] = {}
    rows = (await session.execute(text(_PACK_TOTALS), values)).all()
    for period_id, version_id, model, late, meter, units in rows:
        packed.setdefault((period_id, version_id, model, late), {})[meter] = int(units)
    return packed
