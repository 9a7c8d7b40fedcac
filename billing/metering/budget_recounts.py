"""Count what a project or key has spent in the period of a budget, from usage totals and rows."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.budget_periods import first_moment, period_in_scope
from billing.tables import Quota

_NO_END = datetime(9999, 1, 1, tzinfo=UTC)
# The longest time that a call runs, after which no call from before a budget is left to count.
_RECOUNT_AGE = timedelta(hours=1)
_SPENT_BY_PROJECT = """
    select coalesce(sum(cost_nano), 0)::bigint from (
        select cost_nano from usage_project_total
        where account_id = :account and project_id = :owner and hour >= :since and hour < :until
        union all
        select cost_nano from usage_total
        where :owner = :account and account_id = :account and hour >= :since and hour < :until
        union all
        select -cost_nano from usage_project_total
        where :owner = :account and account_id = :account and hour >= :since and hour < :until
        union all
        select cost_nano from usage
        where account_id = :account and coalesce(project_id, account_id) = :owner
          and started_at >= :since and started_at < :until
          and written_in >= (
              select coalesce(
                  case when :owner = :account then (select consumed from usage_cursor)
                       else (select consumed from project_cursor) end, 0
              )
          )
        union all
        select x.cost_nano - u.cost_nano
        from usage_correction x join usage u using (request_id)
        where x.account_id = :account and u.account_id = :account
          and coalesce(u.project_id, u.account_id) = :owner
          and u.started_at >= :since and u.started_at < :until
    ) spent
"""
_SPENT_BY_KEY = """
    select coalesce(sum(cost_nano), 0)::bigint from (
        select cost_nano from usage_total
        where account_id = :account and key_id = :owner and hour >= :since and hour < :until
        union all
        select cost_nano from usage
        where account_id = :account and key_id = :owner
          and started_at >= :since and started_at < :until
          and written_in >= coalesce((select consumed from usage_cursor), 0)
        union all
        select x.cost_nano - u.cost_nano
        from usage_correction x join usage u using (request_id)
        where x.account_id = :account and u.account_id = :account and u.key_id = :owner
          and u.started_at >= :since and u.started_at < :until
    ) spent
"""
# One statement, whose snapshot has the usage rows of exactly those calls that the leases count.
_RECOUNT = """
    update quota q set used = q.used + s.missing
    from (
        select ({spent}) - c.used - (
            select coalesce(sum(l.used - l.folded), 0) from quota_lease l where l.quota_id = c.id
        ) as missing
        from quota c where c.id = :quota
    ) s
    where q.id = :quota and q.account_id = :account and s.missing > 0
"""
_RECENT = """
    select q.id from project p
    join quota q on q.account_id = p.account_id and q.project_id = p.id
    where p.budgets_set_at >= :since and q.amount is not null
    union all
    select q.id from api_key k
    join quota q on q.account_id = k.account_id and q.key_id = k.id
    where k.budgets_set_at >= :since and q.scope is not null and q.amount is not null
    order by 1
"""


async def recount_budget(session: AsyncSession, quota: Quota) -> None:
    """Add to the locked quota of a budget what its owner's usage has and it does not count."""
    period, start = period_in_scope(quota.scope), first_moment(quota.period_start or _NO_END)
    spent = _SPENT_BY_PROJECT if quota.key_id is None else _SPENT_BY_KEY
    values = {
        "quota": quota.id,
        "account": quota.account_id,
        "owner": quota.key_id or quota.project_id,
        "since": start,
        "until": period.end(start) or _NO_END,
    }
    await session.execute(text(_RECOUNT.format(spent=spent)), values)


async def recount_recent(session: AsyncSession, now: datetime) -> int:
    """Count calls that ran while a budget was set, for budgets set in the last hour.

    Returns the number of budgets that were examined. For operators: reads across accounts
    (account_id).
    """
    found = (await session.scalars(text(_RECENT), {"since": now - _RECOUNT_AGE})).all()
    for quota_id in found:
        query = select(Quota).where(col(Quota.id) == quota_id).with_for_update()
        await recount_budget(session, (await session.scalars(query)).one())
    return len(found)
