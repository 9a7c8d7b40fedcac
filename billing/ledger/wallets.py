"""Wallets: money that an account has with us before it owes any.

A wallet is made of grants, paid or given, each with a priority and perhaps an expiry. What is
left of a grant is in the ledger. Owns topping up, paying invoices from grants and expiring them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import currency_of, lock_profile
from billing.ledger.ledger import Book, Kind, Posting, post
from billing.tables import LedgerPosting, WalletGrant
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "grant"
_MOST_MINOR = 10**13


class TopUpInvalid(AppError):
    """An amount that is nothing, negative or absurd, or an expiry that has passed."""

    status = 400
    type = "invalid_request_error"
    code = "top_up_invalid"


class TopUpDiffers(AppError):
    """The same key was used for another top-up."""

    status = 409
    type = "invalid_request_error"
    code = "top_up_differs"


@dataclass(frozen=True, slots=True)
class Grant:
    """What to put into a wallet, in minor units. Of several grants the smaller priority goes
    first, then what expires first, then the oldest."""

    minor: int
    paid: bool = True
    priority: int = 50
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A grant, and what is left of it in minor units."""

    grant: WalletGrant
    minor: int


async def top_up(
    session: AsyncSession, clock: Clock, account_id: UUID, business_key: str, grant: Grant
) -> WalletGrant:
    """Put money into the wallet, once for each key. Raises TopUpInvalid, TopUpDiffers."""
    now = clock.now()
    if not 0 < grant.minor <= _MOST_MINOR:
        raise TopUpInvalid("A top-up is more than nothing, and not absurd.", param="amount")
    if grant.expires_at is not None and grant.expires_at <= now:
        raise TopUpInvalid("What is put into a wallet cannot have expired.", param="expires_at")
    if not 0 <= grant.priority <= 100:
        raise TopUpInvalid("A priority is 0 to 100; the smaller goes first.", param="priority")
    if not 0 < len(business_key) <= 200:
        raise TopUpInvalid("A reference has 1 to 200 characters.", param="reference")
    await lock_profile(session, account_id)
    made = await session.scalars(
        insert(WalletGrant)
        .values(
            id=ids.new_id(),
            account_id=account_id,
            business_key=business_key,
            paid=grant.paid,
            minor=grant.minor,
            priority=grant.priority,
            expires_at=grant.expires_at,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["account_id", "business_key"])
        .returning(WalletGrant)
    )
    row = made.one_or_none()
    if row is None:
        return await _same(session, account_id, business_key, grant)
    await post(
        session,
        clock,
        account_id,
        Kind.TOP_UP,
        f"grant:{row.id}",
        await currency_of(session, account_id),
        [
            Posting(Book.CASH if grant.paid else Book.PROMOTION, grant.minor),
            Posting(Book.WALLET, -grant.minor, grant_id=row.id),
        ],
    )
    return row


async def grants_left(session: AsyncSession, account_id: UUID) -> list[Left]:
    """Grants with anything left, in the order in which they are used."""
    left = -func.sum(LedgerPosting.minor)
    query = (
        select(WalletGrant, left)
        .join(LedgerPosting, col(LedgerPosting.grant_id) == col(WalletGrant.id))
        .where(
            col(WalletGrant.account_id) == account_id,
            col(LedgerPosting.account_id) == account_id,
            col(LedgerPosting.book) == Book.WALLET.value,
        )
        .group_by(col(WalletGrant.id))
        .having(left > 0)
        .order_by(
            col(WalletGrant.priority),
            col(WalletGrant.expires_at).asc().nulls_last(),
            col(WalletGrant.id),
        )
    )
    return [Left(grant, int(minor)) for grant, minor in (await session.execute(query)).all()]


def uses(grants: Sequence[Left], minor: int) -> list[tuple[UUID, int]]:
    """Which grants pay for an amount, as far as they can."""
    found: list[tuple[UUID, int]] = []
    for one in grants:
        taken = min(one.minor, minor)
        if taken:
            found.append((one.grant.id, taken))
            minor -= taken
    return found


async def pay_from_wallet(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID, minor: int
) -> int:
    """Pay for an invoice as far as the wallet goes; gives what was paid. The profile is locked."""
    paid = uses(await grants_left(session, account_id), minor)
    total = sum(amount for _, amount in paid)
    if not total:
        return 0
    await post(
        session,
        clock,
        account_id,
        Kind.WALLET_USE,
        f"invoice:{invoice_id}:wallet",
        await currency_of(session, account_id),
        [
            *(Posting(Book.WALLET, amount, invoice_id, grant_id) for grant_id, amount in paid),
            Posting(Book.RECEIVABLE, -total, invoice_id),
        ],
    )
    return total


async def accounts_with_expiry(session: AsyncSession, now: datetime) -> list[UUID]:
    """Accounts that have anything left of a grant whose time has passed. For operators: it looks
    across accounts (account_id)."""
    left = func.sum(LedgerPosting.minor)
    query = (
        select(WalletGrant.account_id)
        .join(LedgerPosting, col(LedgerPosting.grant_id) == col(WalletGrant.id))
        .where(col(WalletGrant.expires_at) <= now, col(LedgerPosting.book) == Book.WALLET.value)
        .group_by(col(WalletGrant.account_id), col(WalletGrant.id))
        .having(left < 0)
    )
    return sorted(set((await session.scalars(query)).all()))


async def expire_grants(session: AsyncSession, clock: Clock, account_id: UUID, needed: int) -> int:
    """Take what is left of grants whose time has passed; gives how much.

    `needed` minor units will be invoiced for usage so far: grants that would pay for it are spared
    so much, in the order of their use, until the invoice takes it.
    """
    now = clock.now()
    spared = dict(uses(await grants_left(session, account_id), needed))
    gone = 0
    for one in await grants_left(session, account_id):
        if one.grant.expires_at is None or one.grant.expires_at > now:
            continue
        minor = one.minor - spared.get(one.grant.id, 0)
        if minor:
            await _expire(session, clock, one.grant, minor)
            gone += minor
    return gone


async def _expire(session: AsyncSession, clock: Clock, grant: WalletGrant, minor: int) -> None:
    await post(
        session,
        clock,
        grant.account_id,
        Kind.EXPIRY,
        # Less may be spared later on, so one grant can expire in several parts.
        f"grant:{grant.id}:expiry:{ids.new_id()}",
        await currency_of(session, grant.account_id),
        [
            Posting(Book.WALLET, minor, grant_id=grant.id),
            Posting(Book.BREAKAGE if grant.paid else Book.PROMOTION, -minor),
        ],
    )


async def _same(
    session: AsyncSession, account_id: UUID, business_key: str, grant: Grant
) -> WalletGrant:
    query = select(WalletGrant).where(
        col(WalletGrant.account_id) == account_id, col(WalletGrant.business_key) == business_key
    )
    row = (await session.scalars(query)).one()
    known = (row.minor, row.paid, row.priority, row.expires_at)
    if known != (grant.minor, grant.paid, grant.priority, grant.expires_at):
        raise TopUpDiffers("This key was used for another top-up.")
    return row
