"""Corrections of the recorded cost of usage rows.

Usage rows are append-only, so the correct cost is stored in `usage_correction`, and the difference
is credited to the budgets of the call's key and project. Invoices and available credit need no
correction: they are computed from quantities.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.budget_periods import IS_CALL_OF_BUDGET
from billing.tables import UsageCorrection
from infra.clock import Clock

# Used units of leases are first folded into the quota's own count, as for lease changes, so that
# the whole difference can be subtracted from that count.
_CREDIT_BUDGET = f"""
    with budget as materialized (
        select q.id from quota q join usage u on u.account_id = q.account_id
        where u.request_id = :call and u.account_id = :account and q.kind = 'budget'
          and (
              q.key_id = u.key_id and q.scope is null and q.period_start <= u.started_at
              and u.started_at < q.period_start + interval '1 month'
              or {IS_CALL_OF_BUDGET}
          )
        order by q.id for update of q
    ), unfolded as materialized (
        select l.process_id, l.quota_id, l.used - l.folded as units
        from quota_lease l join budget b on b.id = l.quota_id for update of l
    ), folded as (
        update quota_lease l set folded = l.used from unfolded f
        where l.process_id = f.process_id and l.quota_id = f.quota_id
    ), moved as (
        select b.id, coalesce(sum(f.units), 0) as units
        from budget b left join unfolded f on f.quota_id = b.id group by b.id
    )
    update quota q set used = q.used + m.units - :difference, leased = q.leased - m.units
    from moved m where q.id = m.id
"""  # noqa: S608  # put together of constants


async def record_cost_correction(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    request_id: UUID,
    recorded: int,
    cost: int,
) -> None:
    """Record the correct cost of a call whose row has the cost `recorded`, both in nano-units."""
    session.add(
        UsageCorrection(
            request_id=request_id, account_id=account_id, cost_nano=cost, created_at=clock.now()
        )
    )
    await session.flush()
    values = {"call": request_id, "account": account_id, "difference": recorded - cost}
    await session.execute(text(_CREDIT_BUDGET), values)
