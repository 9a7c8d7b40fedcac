"""An account's current limits and available credit, for pages, the API and the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from billing.invoices.headroom import (
    Headroom,
    compute_account_headroom,
    compute_key_headroom,
    load_credit_funds,
)
from billing.invoices.usage_position import UsagePosition, load_usage_position
from billing.metering.quotas import QuotaState, list_quota_states, month_start
from billing.notifications.budget_limits import (
    apply_budgets,
    load_budget_limits,
    load_budgets_of_key,
)
from billing.notifications.monitored_limits import (
    MonitoredLimit,
    active_key_names,
    list_monitored_limits,
)
from billing.tables import ApiKey
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """An account's monitored limits, its quotas and the credit available to its calls."""

    watched: Sequence[MonitoredLimit]
    available: Headroom
    quotas: Sequence[QuotaState]
    currency: str


async def load_account_limits(session: AsyncSession, position: UsagePosition) -> AccountLimits:
    """Load the limits of an account at a usage position."""
    funds = await load_credit_funds(session, position)
    quotas = await list_quota_states(session, position.account_id)
    names = await active_key_names(session, position)
    budgets = await load_budget_limits(session, position)
    return AccountLimits(
        [*list_monitored_limits(position, funds, quotas, names), *budgets],
        compute_account_headroom(funds, position, quotas),
        quotas,
        position.currency,
    )


async def load_current_limits(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> AccountLimits:
    """Load the current limits of an account."""
    profile = await get_profile(session, account_id)
    return await load_account_limits(
        session, await load_usage_position(session, profile, clock.now())
    )


async def key_limits_json(
    session: AsyncSession, clock: Clock, account_id: UUID, key_id: UUID
) -> dict[str, Any]:
    """Return an API key's limits as JSON; its own or its project's budget may be the lowest."""
    profile = await get_profile(session, account_id)
    position = await load_usage_position(session, profile, clock.now())
    limits = await load_account_limits(session, position)
    query = select(ApiKey.monthly_budget_nano, ApiKey.project_id).where(
        col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id
    )
    budget, project_id = (await session.execute(query)).one()
    month = month_start(clock.now())
    quotas = [one for one in limits.quotas if one.period_start == month]
    key_available = compute_key_headroom(limits.available, quotas, key_id, budget)
    budgets = await load_budgets_of_key(session, position, key_id, project_id)
    key_available = apply_budgets(key_available, budgets, key_id)
    return {
        "object": "limits",
        "available": key_available.to_json(limits.currency),
        "account_available": limits.available.to_json(limits.currency),
        "limits": [one.to_json(limits.currency) for one in limits.watched],
    }
