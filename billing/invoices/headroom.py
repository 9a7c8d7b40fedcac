"""Headroom: what an account may still spend now, and which limit decides it.

    credit left = credit limit + wallet - unpaid usage - usage that is not invoiced yet
    cap left    = spend cap of the plan in force - usage of the running period

Gateways enforce the smaller of the two (billing/invoices/available_credit.py). Owns the parts of
these sums and naming the limit that binds. Amounts are in nano-units, before tax. Changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import tax_of
from billing.invoices.usage_position import Position, held_for
from billing.ledger.ledger import Book
from billing.ledger.wallets import grants_left
from billing.metering.quotas import QuotaState, granted
from billing.money import PPM, nano_per_minor, nano_text
from billing.rating.taxes import Tax
from billing.tables import Invoice, InvoiceStatus, LedgerPosting, QuotaKind

CREDIT_LIMIT = "credit_limit"
WALLET = "wallet"
CREDIT_AND_WALLET = "credit_limit_and_wallet"
SPEND_CAP = "spend_cap"
KEY_BUDGET = "key_budget"


@dataclass(frozen=True, slots=True)
class Funds:
    """The parts of an account's credit: `granted` by the operator, `wallet` paid in advance, and
    `owing` for usage on open invoices."""

    granted: int
    wallet: int
    owing: int

    @property
    def limit(self) -> int:
        """The most that usage may come to before anything more is paid."""
        return self.granted + self.wallet

    @property
    def source(self) -> str:
        """Where the limit comes from."""
        if not self.wallet:
            return CREDIT_LIMIT
        return CREDIT_AND_WALLET if self.granted else WALLET


@dataclass(frozen=True, slots=True)
class Available:
    """What may be spent now, and the limit that decides it; both None where nothing limits it."""

    left: int | None
    limited_by: str | None
    limit: int | None

    def to_json(self, currency: str) -> dict[str, Any]:
        return {
            "amount": None if self.left is None else nano_text(self.left),
            "currency": currency,
            "limited_by": self.limited_by,
            "limit": None if self.limit is None else nano_text(self.limit),
        }


_UNLIMITED = Available(None, None, None)


async def read_funds(session: AsyncSession, position: Position) -> Funds:
    """The parts of the account's credit at a position."""
    account_id, terms = position.account_id, position.terms
    unit = nano_per_minor(position.currency)
    wallet = sum(left.minor for left in await grants_left(session, account_id))
    inclusive = terms is not None and terms.tax_inclusive
    return Funds(
        granted=await granted(session, account_id),
        wallet=_before_tax(wallet * unit, inclusive, tax_of(position.profile)),
        owing=await _owed_for_usage(session, account_id) * unit,
    )


def available(funds: Funds, position: Position, quotas: Iterable[QuotaState]) -> Available:
    """What the account's calls may still cost together, as gateways enforce it."""
    enforced = _enforced(quotas)
    if enforced is None:
        return _UNLIMITED
    left = max(enforced, 0)
    cap = None if position.terms is None else position.terms.spend_cap
    credit_left = funds.limit - funds.owing - position.uninvoiced
    if cap is not None and cap - held_for(position.running.used) < credit_left:
        return Available(left, SPEND_CAP, cap)
    return Available(left, funds.source, funds.limit)


def available_to_key(
    of_account: Available, quotas: Iterable[QuotaState], key_id: UUID, budget: int | None
) -> Available:
    """The same for calls of one key, whose monthly budget may be smaller. Only quotas of the
    running month must be given."""
    if budget is None:
        return of_account
    own = [one for one in quotas if one.kind is QuotaKind.BUDGET and one.key_id == key_id]
    left = max(budget - sum(one.used for one in own), 0)
    if of_account.left is not None and of_account.left <= left:
        return of_account
    return Available(left, KEY_BUDGET, budget)


def _enforced(quotas: Iterable[QuotaState]) -> int | None:
    """What gateways would still grant; None without a limit."""
    for quota in quotas:
        if quota.kind is QuotaKind.CREDIT and quota.key_id is None and quota.amount is not None:
            return quota.amount - quota.used
    return None


async def _owed_for_usage(session: AsyncSession, account_id: UUID) -> int:
    """What of open invoices is for usage, in minor units: fees are taken as paid first."""
    query = (
        select(Invoice.net, Invoice.total, Invoice.usage, func.sum(LedgerPosting.minor))
        .join(LedgerPosting, col(LedgerPosting.invoice_id) == col(Invoice.id))
        .where(
            col(Invoice.account_id) == account_id,
            col(LedgerPosting.account_id) == account_id,
            col(Invoice.status) == InvoiceStatus.OPEN.value,
            col(LedgerPosting.book) == Book.RECEIVABLE.value,
        )
        .group_by(col(Invoice.id))
    )
    rows = (await session.execute(query)).all()
    # Up: of what is owed with tax, never less than what it is without.
    return sum(min(usage, -(-int(owed) * net // total)) for net, total, usage, owed in rows)


def _before_tax(nano: int, inclusive: bool, tax: Tax) -> int:
    """What money buys, at prices before tax."""
    return nano if inclusive else nano * PPM // (PPM + tax.applied_ppm)
