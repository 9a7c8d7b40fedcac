"""Totals of usage charges and upstream costs, from which margins are reported.

Each usage row is aggregated exactly once, by the transaction that wrote it, in the steps of
billing/subscriptions/usage_totals.py but with a cursor of its own. Platform faults that no upstream
answered are left out: they have neither a charge nor a cost.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_ADD_ROWS = """
    insert into upstream_total as t (
        hour, account_id, model, upstream, currency, calls, uncosted_calls, charged_nano,
        uncosted_charged_nano, cost_nano
    )
    select date_trunc('hour', u.started_at, 'UTC'), u.account_id, u.model, coalesce(u.upstream, ''),
           u.currency, count(*), count(*) filter (where u.upstream_cost_nano is null),
           sum(u.cost_nano),
           coalesce(sum(u.cost_nano) filter (where u.upstream_cost_nano is null), 0),
           coalesce(sum(u.upstream_cost_nano), 0)
    from usage u
    where u.written_in >= :since and u.written_in < :cut
      and u.account_id is not null and u.model is not null and u.currency is not null
      and (
          u.upstream is not null
          or u.settlement in ('complete', 'client_abort', 'unknown', 'waived')
      )
    group by 1, 2, 3, 4, 5
    order by 1, 2, 3, 4, 5
    on conflict (hour, account_id, model, upstream, currency) do update set
        calls = t.calls + excluded.calls,
        uncosted_calls = t.uncosted_calls + excluded.uncosted_calls,
        charged_nano = t.charged_nano + excluded.charged_nano,
        uncosted_charged_nano = t.uncosted_charged_nano + excluded.uncosted_charged_nano,
        cost_nano = t.cost_nano + excluded.cost_nano
"""
_READ_CURSOR = "select consumed from upstream_cursor for update"
_MOVE_CURSOR = """
    insert into upstream_cursor (id, consumed) values (1, :cut)
    on conflict (id) do update set consumed = excluded.consumed
"""


async def aggregate_upstreams(session: AsyncSession, cut: int) -> None:
    """Add the rows of transactions before `cut` that are not in the totals yet.

    The caller holds the lock of the usage totals. For operators: reads across accounts
    (account_id).
    """
    since = (await session.execute(text(_READ_CURSOR))).scalar_one_or_none()
    await session.execute(text(_ADD_ROWS), {"since": int(since or 0), "cut": cut})
    await session.execute(text(_MOVE_CURSOR), {"cut": cut})
