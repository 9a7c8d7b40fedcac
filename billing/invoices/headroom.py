"""Headroom: the amount that an account or key may still spend, and the limit that binds.

    remaining credit = credit limit + wallet - unpaid usage - usage not invoiced yet
    remaining cap    = spend cap of the current plan - usage of the current period

Gateways enforce the smaller of the two (billing/invoices/available_credit.py). Amounts are in
nano-units, before tax. Read-only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import case, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import profile_tax
from billing.invoices.usage_position import UsagePosition, cost_with_reserve
from billing.ledger.ledger import Book
from billing.ledger.wallets import list_grant_balances
from billing.metering.packs import ON_ACCOUNT
from billing.metering.quotas import QuotaState, sum_granted_credit
from billing.money import PPM, nano_per_minor, nano_text
from billing.rating.taxes import Tax
from billing.tables import Invoice, InvoiceStatus, LedgerPosting, PackPurchase, QuotaKind

LIMITED_BY_CREDIT_LIMIT = "credit_limit"
LIMITED_BY_WALLET = "wallet"
LIMITED_BY_CREDIT_AND_WALLET = "credit_limit_and_wallet"
LIMITED_BY_SPEND_CAP = "spend_cap"
LIMITED_BY_KEY_BUDGET = "key_budget"


@dataclass(frozen=True, slots=True)
class CreditFunds:
    """The parts of an account's credit in nano-units before tax.

    `credit_limit` is granted by the operator, `wallet` is prepaid, and `owed_for_usage` is the
    unpaid usage and the unpaid packs bought on account on open invoices.
    """

    credit_limit: int
    wallet: int
    owed_for_usage: int

    @property
    def limit(self) -> int:
        """The highest cost of unpaid and uninvoiced usage: credit limit plus wallet."""
        return self.credit_limit + self.wallet

    @property
    def source(self) -> str:
        """Which of credit limit and wallet make up the limit, as a `limited_by` value."""
        if not self.wallet:
            return LIMITED_BY_CREDIT_LIMIT
        return LIMITED_BY_CREDIT_AND_WALLET if self.credit_limit else LIMITED_BY_WALLET


@dataclass(frozen=True, slots=True)
class Headroom:
    """The amount still to spend in nano-units and the limit that binds; all None if unlimited."""

    remaining: int | None
    limited_by: str | None
    limit: int | None

    def to_json(self, currency: str) -> dict[str, Any]:
        """Return the headroom as the API shows it, with decimal amounts."""
        return {
            "amount": None if self.remaining is None else nano_text(self.remaining),
            "currency": currency,
            "limited_by": self.limited_by,
            "limit": None if self.limit is None else nano_text(self.limit),
        }


_UNLIMITED = Headroom(None, None, None)


async def load_credit_funds(session: AsyncSession, position: UsagePosition) -> CreditFunds:
    """Load credit limit, wallet and unpaid usage of an account in nano-units, before tax."""
    account_id, terms = position.account_id, position.terms
    unit = nano_per_minor(position.currency)
    wallet = sum(balance.minor for balance in await list_grant_balances(session, account_id))
    tax_inclusive = terms is not None and terms.tax_inclusive
    return CreditFunds(
        credit_limit=await sum_granted_credit(session, account_id),
        wallet=_deduct_tax(wallet * unit, tax_inclusive, profile_tax(position.profile)),
        owed_for_usage=await _sum_usage_outstanding(session, account_id) * unit,
    )


def compute_account_headroom(
    funds: CreditFunds, position: UsagePosition, quotas: Iterable[QuotaState]
) -> Headroom:
    """Return what the account's calls may still cost in total, as gateways enforce it."""
    remaining = _remaining_credit(quotas)
    if remaining is None:
        return _UNLIMITED
    remaining = max(remaining, 0)
    cap = None if position.terms is None else position.terms.spend_cap
    below_limit = funds.limit - funds.owed_for_usage - position.uninvoiced_cost
    if (
        cap is not None
        and cap - cost_with_reserve(position.current_period.terms_usages) < below_limit
    ):
        return Headroom(remaining, LIMITED_BY_SPEND_CAP, cap)
    return Headroom(remaining, funds.source, funds.limit)


def compute_key_headroom(
    account_headroom: Headroom, quotas: Iterable[QuotaState], key_id: UUID, budget: int | None
) -> Headroom:
    """Return the smaller of a key's remaining monthly budget and the account's headroom.

    `quotas` must contain budget quotas of the current month only.
    """
    if budget is None:
        return account_headroom
    used = sum(
        quota.used for quota in quotas if quota.kind is QuotaKind.BUDGET and quota.key_id == key_id
    )
    remaining = max(budget - used, 0)
    if account_headroom.remaining is not None and account_headroom.remaining <= remaining:
        return account_headroom
    return Headroom(remaining, LIMITED_BY_KEY_BUDGET, budget)


def _remaining_credit(quotas: Iterable[QuotaState]) -> int | None:
    """Return the remaining amount of the account's credit quota; None without a limit."""
    for quota in quotas:
        if quota.kind is QuotaKind.CREDIT and quota.key_id is None and quota.amount is not None:
            return quota.amount - quota.used
    return None


async def _sum_usage_outstanding(session: AsyncSession, account_id: UUID) -> int:
    """Return the unpaid usage on open invoices, in minor units before tax.

    Payments are applied to fees first. A pack bought on account is usage sold in advance.
    """
    on_account = col(PackPurchase.method) == ON_ACCOUNT
    usage_sold = case((on_account, col(Invoice.net)), else_=col(Invoice.usage))
    query = (
        select(Invoice.net, Invoice.total, usage_sold, func.sum(LedgerPosting.minor))
        .join(LedgerPosting, col(LedgerPosting.invoice_id) == col(Invoice.id))
        .outerjoin(PackPurchase, col(PackPurchase.invoice_id) == col(Invoice.id))
        .where(
            col(Invoice.account_id) == account_id,
            col(LedgerPosting.account_id) == account_id,
            col(Invoice.status) == InvoiceStatus.OPEN.value,
            col(LedgerPosting.book) == Book.RECEIVABLE.value,
        )
        .group_by(col(Invoice.id), col(PackPurchase.id))
    )
    rows = (await session.execute(query)).all()
    # Rounded up, so that removing the tax never understates the outstanding amount.
    return sum(
        min(usage, -(-int(outstanding) * net // total)) for net, total, usage, outstanding in rows
    )


def _deduct_tax(nano: int, tax_inclusive: bool, tax: Tax) -> int:
    """Return the usage cost before tax that an amount of money pays for."""
    return nano if tax_inclusive else nano * PPM // (PPM + tax.applied_ppm)
