"""API keys as the dashboard shows them: state, limits, spending of the month and last use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.budget_periods import BudgetPeriod
from billing.metering.budget_quotas import BudgetState, list_key_budget_states
from billing.metering.quotas import QuotaState, list_quota_states, month_start
from billing.reports.key_last_used import last_used_hours
from billing.tables import ApiKey, Project, QuotaKind
from gateway.access.api_keys import KeyNotFound, list_keys
from gateway.access.key_limits import KeyLimits, limits_of


@dataclass(frozen=True, slots=True)
class KeyView:
    """An API key with its state, limits, spending and last use.

    `state` is `active`, `ending` (rotated, valid until it expires), `expired` or `revoked`, also by
    archiving its project.
    `spent` is in nano-units of this calendar month (UTC), as the key's budget counts it. `used_in`
    is the start of the hour of its last call, None if that is more than 30 days ago. `successor` is
    the key that replaces it. `budgets` are those per day and in total, with what they have counted.
    """

    row: ApiKey
    state: str
    limits: KeyLimits
    spent: int
    used_in: datetime | None
    successor: ApiKey | None
    budgets: Mapping[BudgetPeriod, BudgetState]

    @property
    def works(self) -> bool:
        """Whether the key can still be used."""
        return self.state in ("active", "ending")


async def list_key_views(session: AsyncSession, account_id: UUID, now: datetime) -> list[KeyView]:
    """Return all keys of an account: usable keys first, then the others, each the newest first."""
    rows = await list_keys(session, account_id)
    quotas = await list_quota_states(session, account_id)
    archived = await list_archived_projects(session, account_id)
    hours = await last_used_hours(session, account_id, now)
    states = await list_key_budget_states(session, account_id, now)
    successors = {row.replaces: row for row in rows if row.revoked_at is None}
    views = [
        KeyView(
            row=row,
            state="revoked" if row.project_id in archived else _state(row, now),
            limits=limits_of(row, quotas),
            spent=_spent_this_month(row, quotas, now),
            used_in=hours.get(row.id),
            successor=successors.get(row.id),
            budgets={one.period: one for one in states if one.owner_id == row.id},
        )
        for row in reversed(rows)
    ]
    return sorted(views, key=lambda view: not view.works)


async def list_archived_projects(session: AsyncSession, account_id: UUID) -> frozenset[UUID]:
    """Return the ids of an account's archived projects, whose keys cannot be used."""
    query = select(Project.id).where(
        col(Project.account_id) == account_id, col(Project.archived_at).is_not(None)
    )
    return frozenset((await session.scalars(query)).all())


async def get_key_view(
    session: AsyncSession, account_id: UUID, key_id: UUID, now: datetime
) -> KeyView:
    """Return one key of an account as a view. Raises KeyNotFound."""
    for view in await list_key_views(session, account_id, now):
        if view.row.id == key_id:
            return view
    raise KeyNotFound("The account has no such API key.")


def _state(row: ApiKey, now: datetime) -> str:
    """Return `revoked`, `expired`, `ending` (has an expiry) or `active` (has none)."""
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is None:
        return "active"
    return "ending" if row.expires_at > now else "expired"


def _spent_this_month(row: ApiKey, quotas: Sequence[QuotaState], now: datetime) -> int:
    """Return the cost of the key's calls this month in nano-units; 0 without a budget quota."""
    month = month_start(now)
    return next(
        (
            quota.used
            for quota in quotas
            if quota.key_id == row.id
            and quota.kind is QuotaKind.BUDGET
            and quota.period_start == month
        ),
        0,
    )
