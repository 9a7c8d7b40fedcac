"""Limits in force: everything that limits an account now, and what may still be spent.

Owns putting both together, for pages, the API and the command line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import read_profile
from billing.invoices.headroom import Available, available, available_to_key, read_funds
from billing.invoices.usage_position import Position, read_position
from billing.metering.quotas import QuotaState, list_limits, month_of
from billing.notifications.watched_limits import Watched, key_names, watched_in
from billing.tables import ApiKey
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class LimitsInForce:
    """What is watched of an account, and what its calls may still cost together."""

    watched: Sequence[Watched]
    available: Available
    quotas: Sequence[QuotaState]
    currency: str


async def limits_in_force(session: AsyncSession, position: Position) -> LimitsInForce:
    """All limits of an account at a position."""
    funds = await read_funds(session, position)
    quotas = await list_limits(session, position.account_id)
    names = await key_names(session, position)
    return LimitsInForce(
        watched_in(position, funds, quotas, names),
        available(funds, position, quotas),
        quotas,
        position.currency,
    )


async def limits_now(session: AsyncSession, clock: Clock, account_id: UUID) -> LimitsInForce:
    """The same now."""
    profile = await read_profile(session, account_id)
    return await limits_in_force(session, await read_position(session, profile, clock.now()))


async def limits_json(
    session: AsyncSession, clock: Clock, account_id: UUID, key_id: UUID
) -> dict[str, Any]:
    """The limits as a key's program sees them: its own budget may be the smallest."""
    limits = await limits_now(session, clock, account_id)
    query = select(ApiKey.monthly_budget_nano).where(
        col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id
    )
    budget = (await session.execute(query)).scalar_one()
    month = month_of(clock.now())
    quotas = [one for one in limits.quotas if one.period_start == month]
    of_key = available_to_key(limits.available, quotas, key_id, budget)
    return {
        "object": "limits",
        "available": of_key.to_json(limits.currency),
        "account_available": limits.available.to_json(limits.currency),
        "limits": [one.to_json(limits.currency) for one in limits.watched],
    }
