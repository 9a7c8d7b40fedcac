"""Redemption of voucher codes, exactly once and with a limit on guesses.

An attempt is counted in a transaction of its own before the code is looked up, and taken back in
the transaction that redeems it. So attempts at the same time cannot pass the limit.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.metering.packs import activate_purchase
from billing.prepaid.pack_purchases import PackMethod, new_purchase
from billing.prepaid.voucher_codes import hash_voucher_code, normalize_voucher_code
from billing.subscriptions.subscriptions import find_subscription
from billing.tables import (
    Invoice,
    Pack,
    PackPurchase,
    Voucher,
    VoucherBatch,
    VoucherFailure,
    VoucherRedemption,
    WalletGrant,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

REDEMPTION_PREFIX = "vred"
MAX_FAILURES, _FAILURE_WINDOW = 10, timedelta(hours=1)
# Promotional credit is used before paid credit (priority 50).
_PRIORITY = 40


class VoucherInvalid(AppError):
    """The text is no voucher code, or there is no such voucher."""

    status = 404
    type = "invalid_request_error"
    code = "voucher_not_found"


class VoucherNotRedeemable(AppError):
    """The voucher exists, but this account cannot redeem it now."""

    status = 409
    type = "invalid_request_error"
    code = "voucher_not_redeemable"


class TooManyVoucherAttempts(AppError):
    """The account has tried too many codes that are not valid."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_voucher_attempts"


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a voucher gave: a wallet grant, or a pack."""

    row: VoucherRedemption
    currency: str
    grant: WalletGrant | None = None
    purchase: PackPurchase | None = None
    pack: Pack | None = None


async def count_voucher_attempt(database: Database, clock: Clock, account_id: UUID) -> UUID:
    """Count an attempt and return its id. Raises TooManyVoucherAttempts."""
    async with database.transaction() as session:
        await lock_profile(session, account_id)
        now, attempt_id = clock.now(), ids.new_id()
        own = col(VoucherFailure.account_id) == account_id
        outdated = col(VoucherFailure.failed_at) <= now - _FAILURE_WINDOW
        await session.execute(delete(VoucherFailure).where(own, outdated))
        count = (await session.execute(select(func.count()).where(own))).scalar_one()
        if count >= MAX_FAILURES:
            raise TooManyVoucherAttempts("Too many invalid voucher codes. Try again in one hour.")
        session.add(VoucherFailure(id=attempt_id, account_id=account_id, failed_at=now))
    return attempt_id


async def redeem_voucher(
    session: AsyncSession, clock: Clock, account_id: UUID, text: str, attempt_id: UUID
) -> Redemption:
    """Redeem a code for an account; a counted attempt is taken back.

    Raises VoucherInvalid, VoucherNotRedeemable.
    """
    code = normalize_voucher_code(text[:100])
    if code is None:
        raise VoucherInvalid(
            "This is not a valid voucher code. Check each character.", param="code"
        )
    await lock_profile(session, account_id)
    query = select(Voucher).where(col(Voucher.code_hash) == hash_voucher_code(code))
    voucher = (await session.scalars(query.with_for_update())).one_or_none()
    if voucher is None:
        raise VoucherInvalid("There is no such voucher.", param="code")
    batch = await session.get_one(VoucherBatch, voucher.batch_id)
    await _require_redeemable(session, clock.now(), account_id, voucher, batch)
    voucher.uses += 1
    redemption = await _give(session, clock, account_id, voucher, batch)
    mine = col(VoucherFailure.account_id) == account_id
    await session.execute(delete(VoucherFailure).where(mine, col(VoucherFailure.id) == attempt_id))
    await refresh_account_credit(session, clock, account_id)
    return redemption


async def list_redemptions(session: AsyncSession, account_id: UUID) -> list[VoucherRedemption]:
    """List the vouchers that an account has redeemed, newest first."""
    query = select(VoucherRedemption).where(col(VoucherRedemption.account_id) == account_id)
    query = query.order_by(col(VoucherRedemption.id).desc()).limit(100)
    return list((await session.scalars(query)).all())


async def _require_redeemable(
    session: AsyncSession, now: datetime, account_id: UUID, voucher: Voucher, batch: VoucherBatch
) -> None:
    """Raise VoucherNotRedeemable with the reason if the account cannot redeem the voucher."""
    reason = (
        _state_problem(voucher, batch, now)
        or await _account_problem(session, now, account_id, batch)
        or await _repetition_problem(session, account_id, voucher, batch)
    )
    if reason is not None:
        raise VoucherNotRedeemable(reason, param="code")


def _state_problem(voucher: Voucher, batch: VoucherBatch, now: datetime) -> str | None:
    """Return why nobody can redeem the voucher, None if somebody can."""
    if batch.canceled_at is not None:
        return "The voucher was canceled."
    if batch.expires_at <= now:
        return "The voucher has expired."
    if voucher.uses >= voucher.max_uses:
        return "The voucher was already redeemed."
    return None


async def _account_problem(
    session: AsyncSession, now: datetime, account_id: UUID, batch: VoucherBatch
) -> str | None:
    """Return why the batch is not for this account, None if it is."""
    if await get_account_currency(session, account_id) != batch.currency:
        return f"The voucher is for accounts in {batch.currency}."
    if batch.plans is not None:
        subscription = await find_subscription(session, account_id, now)
        if subscription is None or subscription.terms.plan not in batch.plans:
            return "The voucher is not for the account's plan."
    if batch.new_customers_only:
        final = select(Invoice.id).where(
            col(Invoice.account_id) == account_id, col(Invoice.number).is_not(None)
        )
        if (await session.execute(final.limit(1))).first() is not None:
            return "The voucher is for new customers only."
    return None


async def _repetition_problem(
    session: AsyncSession, account_id: UUID, voucher: Voucher, batch: VoucherBatch
) -> str | None:
    """Return why the account cannot redeem another code of the batch, None if it can."""
    query = select(VoucherRedemption.voucher_id).where(
        col(VoucherRedemption.account_id) == account_id,
        col(VoucherRedemption.batch_id) == batch.id,
    )
    redeemed = (await session.scalars(query)).all()
    if voucher.id in redeemed:
        return "The account has already redeemed this voucher."
    if len(redeemed) >= batch.per_account:
        return f"An account can redeem {batch.per_account} of these vouchers."
    return None


async def _give(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    voucher: Voucher,
    batch: VoucherBatch,
) -> Redemption:
    """Give the account the voucher's credit or pack, and store the redemption."""
    now = clock.now()
    row = VoucherRedemption(
        id=ids.new_id(),
        voucher_id=voucher.id,
        batch_id=batch.id,
        account_id=account_id,
        redeemed_at=now,
    )
    key = f"voucher:{row.id}"
    if batch.minor is not None:
        expires_at = None if batch.credit_days is None else now + timedelta(days=batch.credit_days)
        credit = TopUpRequest(batch.minor, False, _PRIORITY, expires_at)
        grant = await top_up_wallet(session, clock, account_id, key, credit)
        redemption = Redemption(row, batch.currency, grant=grant)
        row.grant_id = grant.id
    else:
        pack = await session.get_one(Pack, batch.pack_id)
        purchase = new_purchase(account_id, pack, key, PackMethod.VOUCHER, now)
        session.add(purchase)
        await session.flush()
        await activate_purchase(session, purchase, pack, now)
        redemption = Redemption(row, batch.currency, purchase=purchase, pack=pack)
        row.purchase_id = purchase.id
    session.add(row)
    await session.flush()
    return redemption
