"""Known keys: what a call needs to know of the key that it comes with.

Owns finding it, with its account's prices and quotas at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.quotas import month_of, next_month, quotas_over
from billing.rating.products import model_of
from billing.tables import Account, ApiKey, BillingProfile
from gateway.access.key_scopes import Network, networks_of
from gateway.access.price_book import Contracts
from gateway.call.values import Priced, Principal
from gateway.registry.variants import variants_of
from gateway.registry.versions import answering


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What authentication needs of a key; its quotas and prices are those of a certain time.
    `networks` are those that it may be used from, empty for anywhere."""

    principal: Principal
    expires_at: datetime | None
    revoked_at: datetime | None
    suspended_at: datetime | None
    holds_from: datetime
    holds_until: datetime
    networks: tuple[Network, ...] = ()


async def find_key(
    session: AsyncSession, contracts: Contracts, digest: bytes, at: datetime
) -> KnownKey | None:
    """The key with this hash, whatever its state, with its quotas and prices at the time."""
    return await _known(session, contracts, col(ApiKey.hash) == digest, at)


async def key_by_id(
    session: AsyncSession, contracts: Contracts, account_id: UUID, key_id: UUID, at: datetime
) -> KnownKey | None:
    """The same of an account's key by its id: for what goes on after its call."""
    which = (col(ApiKey.id) == key_id) & (col(ApiKey.account_id) == account_id)
    return await _known(session, contracts, which, at)


async def _known(
    session: AsyncSession, contracts: Contracts, which: ColumnElement[bool], at: datetime
) -> KnownKey | None:
    query = (
        select(ApiKey, Account.currency, BillingProfile.suspended_at)
        .join(Account, col(Account.id) == col(ApiKey.account_id))
        .join(BillingProfile, col(BillingProfile.account_id) == col(Account.id), isouter=True)
        .where(which)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    row, currency, suspended_at = found
    # Before the allowances, as wherever both are made: so no two transactions wait in a ring.
    quotas = await quotas_over(session, row.account_id, row.id, at)
    rates = tuple(quota for quota in quotas if quota.kind.window_s)
    contract = await contracts.contract(session, row.account_id, currency, at)
    allowed = None if row.models is None else frozenset(row.models)
    principal = Principal(
        row.account_id,
        row.id,
        currency,
        _only(contract.prices, allowed),
        {tag: _only(prices, allowed) for tag, prices in contract.coverings.items()},
        quotas,
        rates,
        await variants_of(session, row.account_id),
        await answering(session),
        allowed,
        None if row.service_tiers is None else frozenset(row.service_tiers),
    )
    since = max(month_of(at), contract.since or month_of(at))
    until = min(next_month(at), contract.until or next_month(at))
    ends = row.expires_at, row.revoked_at, suspended_at, since, until
    return KnownKey(principal, *ends, networks_of(row))


def _only(prices: Mapping[str, Priced], models: frozenset[str] | None) -> Mapping[str, Priced]:
    """What has no price here cannot be called, nor be chosen for a call."""
    if models is None:
        return prices
    return {model: priced for model, priced in prices.items() if model_of(model) in models}
