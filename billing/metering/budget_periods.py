"""Periods of budgets of projects and keys, and which calls count in a budget.

The quota of a budget has a `scope` (owner and period) and starts with its period. The monthly
budget of a key has no scope: it counts from the key's first call of a month, with or without a
limit (billing/metering/quotas.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from billing.metering.quotas import QuotaRef, month_start, next_month_start
from billing.tables import ApiKey, Project

_NO_START = datetime(1970, 1, 1, tzinfo=UTC)
# A gateway of the previous version looks for quotas whose period starts with the month, whatever
# their scope is. It must not charge such a budget for other calls.
_HIDDEN_FROM_PREVIOUS_VERSION = timedelta(microseconds=1)
_START = "q.period_start - interval '1 microsecond'"
IS_CALL_OF_BUDGET = f"""
    (q.project_id = coalesce(u.project_id, u.account_id) or q.key_id = u.key_id)
    and q.scope is not null and u.started_at >= {_START}
    and u.started_at < case split_part(q.scope, '/', 2)
        when 'day' then {_START} + interval '1 day'
        when 'month' then {_START} + interval '1 month'
        else 'infinity' end
"""
"""SQL condition: the usage row `u` counts in the budget `q`, which has a scope, of its account."""

BudgetOwner = Project | ApiKey


class BudgetPeriod(StrEnum):
    """The period that a budget limits: a UTC day, a calendar month (UTC), or all time."""

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


BUDGET_COLUMNS: Mapping[BudgetPeriod, str] = MappingProxyType(
    {
        BudgetPeriod.DAY: "daily_budget_nano",
        BudgetPeriod.MONTH: "monthly_budget_nano",
        BudgetPeriod.TOTAL: "total_budget_nano",
    }
)
"""The column of projects and keys that stores the budget of a period."""


@dataclass(frozen=True, slots=True)
class BudgetQuotaRef(QuotaRef):
    """The budget of a project or key that applies to a call; `resets_at` None means never."""

    owner_name: str = ""
    period: BudgetPeriod = BudgetPeriod.TOTAL
    resets_at: datetime | None = None


def scoped_budgets(owner: BudgetOwner) -> dict[BudgetPeriod, int]:
    """Return the budgets that are set and have quotas with a scope, in nano-units.

    These are all budgets of a project, and those of a key per day and in total.
    """
    amounts = {period: getattr(owner, column) for period, column in BUDGET_COLUMNS.items()}
    if isinstance(owner, ApiKey):
        del amounts[BudgetPeriod.MONTH]
    return {period: amount for period, amount in amounts.items() if amount is not None}


def stored_start(period: BudgetPeriod, at: datetime) -> datetime:
    """Return the `period_start` of a quota with a scope in the period that contains a moment."""
    return period.start(at) + _HIDDEN_FROM_PREVIOUS_VERSION


def first_moment(stored: datetime) -> datetime:
    """Return the start of the period of a quota with a scope from its `period_start`."""
    return stored - _HIDDEN_FROM_PREVIOUS_VERSION


def budget_scope(owner_id: UUID, period: BudgetPeriod) -> str:
    """Return the `scope` of a budget's quota, which makes it unique within the account."""
    return f"{owner_id.hex}/{period.value}"


def period_in_scope(scope: str | None) -> BudgetPeriod:
    """Return the period in the `scope` of a budget's quota."""
    return BudgetPeriod((scope or "").rpartition("/")[2])
