"""Wallets: prepaid and promotional credit of an account, as grants (top up, use, expiry).

A grant has a priority and may have an expiry; its remaining amount is its balance in the ledger.
Grants are used by ascending priority, then earliest expiry, then oldest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.ledger.ledger import Book, Posting, TransactionKind, post_transaction
from billing.tables import LedgerPosting, WalletGrant
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

GRANT_ID_PREFIX = "grant"
_MAX_MINOR = 10**13


class TopUpInvalid(AppError):
    """The amount, expiry, priority or reference of a top-up is not valid."""

    status = 400
    type = "invalid_request_error"
    code = "top_up_invalid"


class TopUpConflict(AppError):
    """The business key was used for a different top-up."""

    status = 409
    type = "invalid_request_error"
    code = "top_up_differs"


@dataclass(frozen=True, slots=True)
class TopUpRequest:
    """A grant to add to a wallet, in minor units; a smaller `priority` is used first."""

    minor: int
    paid: bool = True
    priority: int = 50
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GrantBalance:
    """A wallet grant with its remaining amount in minor units."""

    grant: WalletGrant
    minor: int


async def top_up_wallet(
    session: AsyncSession, clock: Clock, account_id: UUID, business_key: str, request: TopUpRequest
) -> WalletGrant:
    """Add a grant to the wallet, once per business key. Raises TopUpInvalid, TopUpConflict."""
    now = clock.now()
    if not 0 < request.minor <= _MAX_MINOR:
        raise TopUpInvalid(
            "The amount must be greater than zero and within the supported range.", param="amount"
        )
    if request.expires_at is not None and request.expires_at <= now:
        raise TopUpInvalid("The expiry must be in the future.", param="expires_at")
    if not 0 <= request.priority <= 100:
        raise TopUpInvalid(
            "The priority must be from 0 to 100. Lower values are used first.", param="priority"
        )
    if not 0 < len(business_key) <= 200:
        raise TopUpInvalid("A reference must have 1 to 200 characters.", param="reference")
    await lock_profile(session, account_id)
    inserted = await session.scalars(
        insert(WalletGrant)
        .values(
            id=ids.new_id(),
            account_id=account_id,
            business_key=business_key,
            paid=request.paid,
            minor=request.minor,
            priority=request.priority,
            expires_at=request.expires_at,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["account_id", "business_key"])
        .returning(WalletGrant)
    )
    row = inserted.one_or_none()
    if row is None:
        return await _find_same_top_up(session, account_id, business_key, request)
    await post_transaction(
        session,
        clock,
        account_id,
        TransactionKind.TOP_UP,
        f"grant:{row.id}",
        await get_account_currency(session, account_id),
        [
            Posting(Book.CASH if request.paid else Book.PROMOTION, request.minor),
            Posting(Book.WALLET, -request.minor, grant_id=row.id),
        ],
    )
    return row


async def list_grant_balances(session: AsyncSession, account_id: UUID) -> list[GrantBalance]:
    """List the account's grants with a positive balance, in the order of their use."""
    remaining = -func.sum(LedgerPosting.minor)
    query = (
        select(WalletGrant, remaining)
        .join(LedgerPosting, col(LedgerPosting.grant_id) == col(WalletGrant.id))
        .where(
            col(WalletGrant.account_id) == account_id,
            col(LedgerPosting.account_id) == account_id,
            col(LedgerPosting.book) == Book.WALLET.value,
        )
        .group_by(col(WalletGrant.id))
        .having(remaining > 0)
        .order_by(
            col(WalletGrant.priority),
            col(WalletGrant.expires_at).asc().nulls_last(),
            col(WalletGrant.id),
        )
    )
    return [
        GrantBalance(grant, int(minor)) for grant, minor in (await session.execute(query)).all()
    ]


def allocate_to_grants(grants: Sequence[GrantBalance], minor: int) -> list[tuple[UUID, int]]:
    """Allocate an amount to grants in their order, as (grant id, minor units).

    The allocation is smaller than the amount if the grants do not cover it.
    """
    allocation: list[tuple[UUID, int]] = []
    for balance in grants:
        used = min(balance.minor, minor)
        if used:
            allocation.append((balance.grant.id, used))
            minor -= used
    return allocation


async def pay_from_wallet(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    minor: int,
    business_key: str | None = None,
) -> int:
    """Pay an invoice from the wallet as far as possible; the billing profile must be locked.

    Without a business key it is the payment when the invoice became final, which is made once.
    Returns the paid amount in minor units.
    """
    allocation = allocate_to_grants(await list_grant_balances(session, account_id), minor)
    total = sum(amount for _, amount in allocation)
    if not total:
        return 0
    await post_transaction(
        session,
        clock,
        account_id,
        TransactionKind.WALLET_USE,
        business_key or f"invoice:{invoice_id}:wallet",
        await get_account_currency(session, account_id),
        [
            *(
                Posting(Book.WALLET, amount, invoice_id, grant_id)
                for grant_id, amount in allocation
            ),
            Posting(Book.RECEIVABLE, -total, invoice_id),
        ],
    )
    return total


async def list_accounts_with_expired_grants(session: AsyncSession, now: datetime) -> list[UUID]:
    """List accounts with an expired grant that has a balance.

    For operators: reads across accounts (no account_id filter).
    """
    balance = func.sum(LedgerPosting.minor)
    query = (
        select(WalletGrant.account_id)
        .join(LedgerPosting, col(LedgerPosting.grant_id) == col(WalletGrant.id))
        .where(col(WalletGrant.expires_at) <= now, col(LedgerPosting.book) == Book.WALLET.value)
        .group_by(col(WalletGrant.account_id), col(WalletGrant.id))
        .having(balance < 0)
    )
    return sorted(set((await session.scalars(query)).all()))


async def expire_grants(
    session: AsyncSession, clock: Clock, account_id: UUID, reserved: int
) -> int:
    """Expire grants past their expiry, except `reserved`; return the expired minor units.

    `reserved` minor units will be invoiced for usage so far. They are allocated to grants in the
    order of use, and that part does not expire until the invoice uses it.
    """
    now = clock.now()
    reserved_by_grant = dict(
        allocate_to_grants(await list_grant_balances(session, account_id), reserved)
    )
    expired = 0
    for balance in await list_grant_balances(session, account_id):
        if balance.grant.expires_at is None or balance.grant.expires_at > now:
            continue
        minor = balance.minor - reserved_by_grant.get(balance.grant.id, 0)
        if minor:
            await _post_expiry(session, clock, balance.grant, minor)
            expired += minor
    return expired


async def revoke_grant(
    session: AsyncSession, clock: Clock, account_id: UUID, grant_id: UUID, reserved: int
) -> int:
    """Expire the balance of a grant now; return the minor units. The profile must be locked.

    What `reserved` needs of the grant stays, as in `expire_grants`.
    """
    balances = await list_grant_balances(session, account_id)
    reserved_by_grant = dict(allocate_to_grants(balances, reserved))
    for balance in balances:
        minor = balance.minor - reserved_by_grant.get(balance.grant.id, 0)
        if balance.grant.id == grant_id and minor:
            await _post_expiry(session, clock, balance.grant, minor)
            return minor
    return 0


async def _post_expiry(session: AsyncSession, clock: Clock, grant: WalletGrant, minor: int) -> None:
    """Post the expiry of a grant's minor units, as breakage if paid, else as promotion."""
    await post_transaction(
        session,
        clock,
        grant.account_id,
        TransactionKind.EXPIRY,
        # The reserved part may shrink later, so a grant can expire in several parts.
        f"grant:{grant.id}:expiry:{ids.new_id()}",
        await get_account_currency(session, grant.account_id),
        [
            Posting(Book.WALLET, minor, grant_id=grant.id),
            Posting(Book.BREAKAGE if grant.paid else Book.PROMOTION, -minor),
        ],
    )


async def _find_same_top_up(
    session: AsyncSession, account_id: UUID, business_key: str, request: TopUpRequest
) -> WalletGrant:
    """Return the existing grant of a business key. Raises TopUpConflict if it differs."""
    query = select(WalletGrant).where(
        col(WalletGrant.account_id) == account_id, col(WalletGrant.business_key) == business_key
    )
    row = (await session.scalars(query)).one()
    stored = (row.minor, row.paid, row.priority, row.expires_at)
    if stored != (request.minor, request.paid, request.priority, request.expires_at):
        raise TopUpConflict("This reference was used for another top-up. Use a new reference.")
    return row
