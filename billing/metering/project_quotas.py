"""Budgets of projects as quotas: per day, per calendar month and in total, in money.

A budget is a quota like the account's credit: gateways lease parts of it, and it holds across
processes and hosts. Only projects with a budget have such quotas. When a budget is set, what the
project has spent in the period is counted from its usage; calls that run at that moment are
counted when they have ended (`recount_recent`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.audit_events import MoneyEvent, log_event
from billing.metering.key_epoch import advance_epoch
from billing.metering.quotas import (
    QuotaRef,
    lock_quotas,
    month_start,
    next_month_start,
    unfolded_units,
    validate_limit,
)
from billing.tables import Project, Quota, QuotaKind
from infra import ids

_NO_START = datetime(1970, 1, 1, tzinfo=UTC)
_NO_END = datetime(9999, 1, 1, tzinfo=UTC)
# A gateway of the previous version looks for quotas whose period starts with the month, whatever
# their project is. It must not charge a project's budget for the calls of all projects.
_HIDDEN_FROM_PREVIOUS_VERSION = timedelta(microseconds=1)
# The longest time that a call runs, after which no call from before a budget is left to count.
_RECOUNT_AGE = timedelta(hours=1)
_SPENT = """
    select coalesce(sum(cost_nano), 0)::bigint from (
        select cost_nano from usage_project_total
        where account_id = :account and project_id = :project and hour >= :since and hour < :until
        union all
        select cost_nano from usage_total
        where :is_default and account_id = :account and hour >= :since and hour < :until
        union all
        select -cost_nano from usage_project_total
        where :is_default and account_id = :account and hour >= :since and hour < :until
        union all
        select cost_nano from usage
        where account_id = :account and coalesce(project_id, account_id) = :project
          and started_at >= :since and started_at < :until
          and written_in >= (
              select coalesce(
                  case when :is_default then (select consumed from usage_cursor)
                       else (select consumed from project_cursor) end, 0
              )
          )
        union all
        select x.cost_nano - u.cost_nano
        from usage_correction x join usage u using (request_id)
        where x.account_id = :account and u.account_id = :account
          and coalesce(u.project_id, u.account_id) = :project
          and u.started_at >= :since and u.started_at < :until
    ) spent
"""
# One statement, whose snapshot has the usage rows of exactly those calls that the leases count.
_RECOUNT = f"""
    update quota q set used = q.used + s.missing
    from (
        select ({_SPENT}) - c.used - (
            select coalesce(sum(l.used - l.folded), 0) from quota_lease l where l.quota_id = c.id
        ) as missing
        from quota c where c.id = :quota
    ) s
    where q.id = :quota and q.account_id = :account and s.missing > 0
"""  # noqa: S608  # put together of constants
_START = "q.period_start - interval '1 microsecond'"
IS_CALL_OF_PROJECT = f"""
    q.project_id = coalesce(u.project_id, u.account_id) and u.started_at >= {_START}
    and u.started_at < case split_part(q.scope, '/', 2)
        when 'day' then {_START} + interval '1 day'
        when 'month' then {_START} + interval '1 month'
        else 'infinity' end
"""
"""SQL condition: the usage row `u` counts in the budget `q` of a project of the same account."""
_RECENT = """
    select q.id, q.account_id, q.project_id, q.scope, q.period_start
    from project p join quota q on q.account_id = p.account_id and q.project_id = p.id
    where p.budgets_set_at >= :since and q.amount is not null
    order by q.id
"""


class BudgetPeriod(StrEnum):
    """The period that a project's budget limits: a UTC day, a calendar month (UTC), or all time."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"

    def start(self, at: datetime) -> datetime:
        """Return the start of the period that contains a moment."""
        match self:
            case BudgetPeriod.DAY:
                return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            case BudgetPeriod.MONTH:
                return month_start(at)
            case BudgetPeriod.TOTAL:
                return _NO_START

    def end(self, at: datetime) -> datetime | None:
        """Return when the period that contains a moment ends and its budget resets; None: never."""
        match self:
            case BudgetPeriod.DAY:
                return self.start(at) + timedelta(days=1)
            case BudgetPeriod.MONTH:
                return next_month_start(at)
            case BudgetPeriod.TOTAL:
                return None


@dataclass(frozen=True, slots=True)
class ProjectQuotaRef(QuotaRef):
    """The budget of a project that applies to a call; `resets_at` None means never."""

    project_name: str = ""
    period: BudgetPeriod = BudgetPeriod.TOTAL
    resets_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A project's budget in the current period: limit, spent and reserved, in nano-units."""

    project_id: UUID
    period: BudgetPeriod
    amount: int
    used: int
    leased: int
    since: datetime
    resets_at: datetime | None


def budgets_of(project: Project) -> dict[BudgetPeriod, int]:
    """Return the budgets of a project that are set, in nano-units."""
    amounts = {
        BudgetPeriod.DAY: project.daily_budget_nano,
        BudgetPeriod.MONTH: project.monthly_budget_nano,
        BudgetPeriod.TOTAL: project.total_budget_nano,
    }
    return {period: amount for period, amount in amounts.items() if amount is not None}


async def find_project_quotas(
    session: AsyncSession, project: Project, at: datetime
) -> tuple[ProjectQuotaRef, ...]:
    """Return the budgets that limit a project's call at a time, by id; creates missing quotas."""
    budgets = budgets_of(project)
    if not budgets:
        return ()
    rows = [_quota_row(project, period, amount, at) for period, amount in budgets.items()]
    await session.execute(insert(Quota).values(rows).on_conflict_do_nothing())
    found = await session.scalars(_select_quotas(project, at))
    refs = (_quota_ref(project, _period_in(row.scope), row, at) for row in found)
    return tuple(ref for ref in refs if ref.period in budgets)


async def set_project_budgets(
    session: AsyncSession,
    project: Project,
    budgets: Mapping[BudgetPeriod, int | None],
    at: datetime,
) -> None:
    """Set budgets of a project in nano-units from now on; None removes one.

    What was spent in the period before counts. A budget may be below it: calls are then refused
    until it resets. Raises LimitInvalid.
    """
    for period, amount in budgets.items():
        validate_limit(amount)
        setattr(project, _COLUMNS[period], amount)
        facts = {"project_id": project.id, "period": period.value, "nano": amount}
        log_event(session, MoneyEvent.BUDGET_CHANGED, project.account_id, **facts)
    project.budgets_set_at = at
    await session.flush()
    await lock_quotas(session, project.account_id)
    for period, amount in budgets.items():
        await _set_quota(session, project, period, amount, at)
    await advance_epoch(session, project.account_id)


async def list_budget_states(
    session: AsyncSession, account_id: UUID, at: datetime
) -> list[BudgetState]:
    """List the budgets of an account's active projects in the current periods."""
    query = select(Project).where(
        col(Project.account_id) == account_id, col(Project.archived_at).is_(None)
    )
    projects = list((await session.scalars(query.order_by(col(Project.id)))).all())
    quotas = await _read_quotas(session, account_id, at)
    return [
        _budget_state(project.id, period, amount, quotas.get((project.id, period)), at)
        for project in projects
        for period, amount in budgets_of(project).items()
    ]


async def recount_recent(session: AsyncSession, now: datetime) -> int:
    """Count calls that ran while a budget was set, for budgets set in the last hour.

    Returns the number of budgets that were examined. For operators: reads across accounts
    (account_id).
    """
    values = {"since": now - _RECOUNT_AGE}
    rows = (await session.execute(text(_RECENT), values)).all()
    for quota_id, account_id, project_id, scope, period_start in rows:
        period, start = _period_in(scope), period_start - _HIDDEN_FROM_PREVIOUS_VERSION
        await session.execute(select(Quota.id).where(col(Quota.id) == quota_id).with_for_update())
        await _recount(session, quota_id, account_id, project_id, period, start)
    return len(rows)


_COLUMNS: Mapping[BudgetPeriod, str] = {
    BudgetPeriod.DAY: "daily_budget_nano",
    BudgetPeriod.MONTH: "monthly_budget_nano",
    BudgetPeriod.TOTAL: "total_budget_nano",
}


async def _set_quota(
    session: AsyncSession, project: Project, period: BudgetPeriod, amount: int | None, at: datetime
) -> None:
    """Set the limit of the current period's quota and count what was spent in the period."""
    statement = insert(Quota).values([_quota_row(project, period, amount, at)])
    key = ["account_id", "key_id", "kind", "period_start", "plan_version_id", "scope"]
    changed = {"amount": statement.excluded.amount, "recalls": col(Quota.recalls) + 1}
    upsert = statement.on_conflict_do_update(index_elements=key, set_=changed)
    quota_id = (await session.execute(upsert.returning(col(Quota.id)))).scalar_one()
    start = period.start(at)
    await _recount(session, quota_id, project.account_id, project.id, period, start)


async def _recount(
    session: AsyncSession,
    quota_id: UUID,
    account_id: UUID,
    project_id: UUID,
    period: BudgetPeriod,
    start: datetime,
) -> None:
    """Add to a locked quota what its project's usage has and the quota does not count."""
    values = {
        "quota": quota_id,
        "account": account_id,
        "project": project_id,
        "is_default": project_id == account_id,
        "since": start,
        "until": period.end(start) or _NO_END,
    }
    await session.execute(text(_RECOUNT), values)


async def _read_quotas(
    session: AsyncSession, account_id: UUID, at: datetime
) -> dict[tuple[UUID, BudgetPeriod], tuple[int, int]]:
    """Return used and leased nano-units of an account's project budgets in the current periods."""
    query = select(Quota, unfolded_units()).where(
        col(Quota.account_id) == account_id,
        col(Quota.project_id).is_not(None),
        col(Quota.period_start).in_([_stored_start(period, at) for period in BudgetPeriod]),
    )
    found = {}
    for row, more in (await session.execute(query)).all():
        period = _period_in(row.scope)
        if row.project_id is not None and row.period_start == _stored_start(period, at):
            found[row.project_id, period] = (row.used + int(more), row.leased - int(more))
    return found


def _select_quotas(project: Project, at: datetime) -> Any:
    """Return the query of a project's quotas in the periods that contain a moment, by id."""
    scopes = [(_scope(project.id, period), _stored_start(period, at)) for period in BudgetPeriod]
    return (
        select(Quota)
        .where(
            col(Quota.account_id) == project.account_id,
            col(Quota.kind) == QuotaKind.BUDGET.value,
            tuple_(col(Quota.scope), col(Quota.period_start)).in_(scopes),
        )
        .order_by(col(Quota.id))
    )


def _quota_ref(project: Project, period: BudgetPeriod, row: Quota, at: datetime) -> ProjectQuotaRef:
    """Return the reference of a project's quota for calls at a moment."""
    return ProjectQuotaRef(
        str(row.id),
        QuotaKind.BUDGET,
        is_key_quota=False,
        amount=row.amount,
        project_name=project.name,
        period=period,
        resets_at=period.end(at),
    )


def _budget_state(
    project_id: UUID,
    period: BudgetPeriod,
    amount: int,
    counted: tuple[int, int] | None,
    at: datetime,
) -> BudgetState:
    """Return a budget's state; a quota that does not exist yet has counted nothing."""
    used, leased = counted or (0, 0)
    return BudgetState(project_id, period, amount, used, leased, period.start(at), period.end(at))


def _quota_row(
    project: Project, period: BudgetPeriod, amount: int | None, at: datetime
) -> dict[str, object]:
    """Return the column values of a new quota of a project in the period that contains `at`."""
    return {
        "id": ids.new_id(),
        "account_id": project.account_id,
        "key_id": None,
        "kind": QuotaKind.BUDGET.value,
        "period_start": _stored_start(period, at),
        "scope": _scope(project.id, period),
        "project_id": project.id,
        "amount": amount,
        "used": 0,
        "leased": 0,
        "recalls": 0,
    }


def _stored_start(period: BudgetPeriod, at: datetime) -> datetime:
    """Return the `period_start` of a project's quota."""
    return period.start(at) + _HIDDEN_FROM_PREVIOUS_VERSION


def _scope(project_id: UUID, period: BudgetPeriod) -> str:
    """Return the `scope` of a project's quota, which makes it unique within the account."""
    return f"{project_id.hex}/{period.value}"


def _period_in(scope: str | None) -> BudgetPeriod:
    """Return the period in the `scope` of a project's quota."""
    return BudgetPeriod((scope or "").rpartition("/")[2])
