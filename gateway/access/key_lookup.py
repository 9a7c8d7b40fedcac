"""Look up an API key with its account's prices, quotas and models at a moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.budget_periods import BudgetOwner, BudgetPeriod, scoped_budgets
from billing.metering.budget_quotas import find_budget_quotas, name_monthly_budget
from billing.metering.quotas import QuotaRef, find_call_quotas, month_start, next_month_start
from billing.rating.products import model_of_product
from billing.tables import Account, ApiKey, BillingProfile, Project
from gateway.access.key_scopes import Network, networks_of
from gateway.access.price_book import PriceBook
from gateway.call.values import ModelPrices, Principal
from gateway.registry.variants import list_live_variants
from gateway.registry.versions import get_current_version_ids
from gateway.tables import GuardRules
from models.guards.guard import compile_guard
from models.guards.policy import parse_policy


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key as authentication needs it, with the caller it stands for.

    Quotas and prices are those between `valid_from` and `valid_until`. `networks` are the networks
    that the key may be used from; empty allows all. `archived_at` is when its project was archived.
    """

    principal: Principal
    expires_at: datetime | None
    revoked_at: datetime | None
    suspended_at: datetime | None
    valid_from: datetime
    valid_until: datetime
    networks: tuple[Network, ...] = ()
    archived_at: datetime | None = None


async def find_key_by_hash(
    session: AsyncSession, price_book: PriceBook, digest: bytes, at: datetime
) -> KeyRecord | None:
    """Return the key with this hash, in whatever state, with its quotas and prices at a moment.

    Returns None if there is no such key.
    """
    return await _find_key(session, price_book, col(ApiKey.hash) == digest, at)


async def find_key_by_id(
    session: AsyncSession, price_book: PriceBook, account_id: UUID, key_id: UUID, at: datetime
) -> KeyRecord | None:
    """Return an account's key by its id, for work that goes on after its request (jobs, ingestion).

    Returns None if the account has no such key.
    """
    condition = (col(ApiKey.id) == key_id) & (col(ApiKey.account_id) == account_id)
    return await _find_key(session, price_book, condition, at)


async def _find_key(
    session: AsyncSession, price_book: PriceBook, condition: ColumnElement[bool], at: datetime
) -> KeyRecord | None:
    """Return the key that matches a SQL condition, with quotas and prices at a moment, or None."""
    query = (
        select(ApiKey, Account.currency, BillingProfile.suspended_at)
        .add_columns(col(GuardRules.rules), Project)
        .join(Account, col(Account.id) == col(ApiKey.account_id))
        .join(BillingProfile, col(BillingProfile.account_id) == col(Account.id), isouter=True)
        .join(GuardRules, col(GuardRules.account_id) == col(Account.id), isouter=True)
        .join(Project, _is_project_of_key(), isouter=True)
        .where(condition)
    )
    result = (await session.execute(query)).one_or_none()
    if result is None:
        return None
    row, currency, suspended_at, rules, project = result
    # Quotas before allowances, as everywhere: a fixed lock order avoids deadlocks.
    quotas = await _find_quotas(session, row, project, at)
    rate_limit_quotas = tuple(quota for quota in quotas if quota.kind.window_s)
    prices = await price_book.get_account_prices(session, row.account_id, currency, at)
    allowed_models = None if row.models is None else frozenset(row.models)
    principal = Principal(
        row.account_id,
        row.id,
        currency,
        _only_models(prices.model_prices, allowed_models),
        {
            tag: _only_models(contract_prices, allowed_models)
            for tag, contract_prices in prices.outcome_contract_prices.items()
        },
        quotas,
        rate_limit_quotas,
        await list_live_variants(session, row.account_id),
        await get_current_version_ids(session),
        allowed_models,
        None if row.service_tiers is None else frozenset(row.service_tiers),
        None if rules is None else compile_guard(parse_policy(rules)),
        row.project_id or row.account_id,
        None if row.permissions is None else frozenset(row.permissions),
    )
    start, end = _quota_period([row] if project is None else [row, project], at)
    return KeyRecord(
        principal=principal,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        suspended_at=suspended_at,
        valid_from=max(start, prices.valid_from or start),
        valid_until=min(end, prices.valid_until or end),
        networks=networks_of(row),
        archived_at=None if project is None else project.archived_at,
    )


def _is_project_of_key() -> ColumnElement[bool]:
    """Return the SQL condition that joins a key and its project, by default the default project."""
    project_id = func.coalesce(col(ApiKey.project_id), col(ApiKey.account_id))
    return col(Project.id) == project_id


async def _find_quotas(
    session: AsyncSession, key: ApiKey, project: Project | None, at: datetime
) -> tuple[QuotaRef, ...]:
    """Return the quotas of a key and its project for calls at a moment, without allowances.

    They are in the order of their ids, in which they are locked everywhere.
    """
    found = await find_call_quotas(session, key.account_id, key.id, at)
    quotas = name_monthly_budget(found, key, at)
    quotas += await find_budget_quotas(session, key, at)
    if project is not None:
        quotas += await find_budget_quotas(session, project, at)
    return tuple(sorted(quotas, key=lambda quota: UUID(quota.id)))


def _quota_period(owners: Sequence[BudgetOwner], at: datetime) -> tuple[datetime, datetime]:
    """Return the period in which the quotas of a key stay the same: a UTC day or month."""
    if any(BudgetPeriod.DAY in scoped_budgets(owner) for owner in owners):
        day = BudgetPeriod.DAY
        return day.start(at), day.end(at) or next_month_start(at)
    return month_start(at), next_month_start(at)


def _only_models(
    prices: Mapping[str, ModelPrices], models: frozenset[str] | None
) -> Mapping[str, ModelPrices]:
    """Keep the prices of the allowed models; a model without a price cannot be called or chosen."""
    if models is None:
        return prices
    return {name: one for name, one in prices.items() if model_of_product(name) in models}
