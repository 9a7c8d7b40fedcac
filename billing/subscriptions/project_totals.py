"""Usage totals of projects other than the default one, whose usage is the rest of all totals.

Each usage row is aggregated exactly once, in the steps of billing/subscriptions/usage_totals.py but
with a cursor of its own: a worker of a previous version does not know these totals.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.products import PRODUCT_SQL
from billing.rating.quantities import METERS

_NIL_UUID = "'00000000-0000-0000-0000-000000000000'::uuid"
_COLUMNS = ("calls", *METERS, "cost_nano")
_UNITS = ", ".join(f"coalesce(sum(u.{meter}), 0)" for meter in METERS)
_ADD_EXCLUDED = ", ".join(f"{name} = t.{name} + excluded.{name}" for name in _COLUMNS)
_KEY = "period_id, hour, model, plan_version_id, key_id, operation, settlement, late, project_id"
# `which` selects the usage rows; needs the table expression `open_period`.
INSERT_PROJECT_TOTALS = f"""
    insert into usage_project_total as t ({_KEY}, account_id, {", ".join(_COLUMNS)})
    select p.id, date_trunc('hour', u.started_at, 'UTC'), {PRODUCT_SQL},
           coalesce(u.plan_version_id, {_NIL_UUID}), coalesce(u.key_id, {_NIL_UUID}),
           u.operation, u.settlement, u.started_at < p.starts_at, u.project_id, p.account_id,
           count(*), {_UNITS}, sum(u.cost_nano)
    from usage u join open_period p
      on p.account_id = u.account_id and u.started_at >= p.since and u.started_at < p.until
    where {{which}} and u.project_id is not null and u.project_id <> u.account_id
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    order by 1, 2
    on conflict ({_KEY}) do update set {_ADD_EXCLUDED}
"""  # noqa: S608  # put together of the constants above
_NEW_ROWS = "u.written_in >= :since and u.written_in < :cut and u.account_id is not null"
_READ_CURSOR = "select consumed from project_cursor for update"
_MOVE_CURSOR = """
    insert into project_cursor (id, consumed) values (1, :cut)
    on conflict (id) do update set consumed = excluded.consumed
"""


async def aggregate_projects(session: AsyncSession, open_period_cte: str, cut: int) -> None:
    """Add the rows of transactions before `cut` that are not in the totals yet.

    The caller holds the lock of the usage totals. For operators: reads across accounts
    (account_id).
    """
    since = (await session.execute(text(_READ_CURSOR))).scalar_one_or_none()
    values = {"since": int(since or 0), "cut": cut}
    insert = INSERT_PROJECT_TOTALS.format(which=_NEW_ROWS)
    await session.execute(text(f"with {open_period_cte} {insert}"), values)
    await session.execute(text(_MOVE_CURSOR), {"cut": cut})
