"""Purchases and refunds of packs, and vouchers: what API, pages and commands do, audited."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.metering.packs import PACK_PURCHASE_PREFIX
from billing.money import minor_text
from billing.prepaid.pack_offers import PackOffer, publish_pack, withdraw_pack
from billing.prepaid.pack_purchases import BoughtPack, PackMethod, buy_pack, get_purchase
from billing.prepaid.pack_refunds import PackRefund, refund_pack
from billing.prepaid.redemption import Redemption, count_voucher_attempt, redeem_voucher
from billing.prepaid.views import purchase_json
from billing.prepaid.vouchers import (
    VOUCHER_BATCH_PREFIX,
    NewBatch,
    VoucherBatchNotFound,
    cancel_voucher_batch,
    create_voucher_batch,
)
from billing.tables import Pack, VoucherBatch
from gateway.identity.audit_log import Actor, record_audit_event
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_CREDIT_NOTE_PREFIX = "cn"


@dataclass(frozen=True, slots=True)
class PackOrder:
    """A pack that somebody wants to buy; a repeated `key` finds the first purchase."""

    actor: Actor
    account_id: UUID
    pack: str
    method: PackMethod
    key: str | None = None


async def order_pack(session: AsyncSession, clock: Clock, order: PackOrder) -> BoughtPack:
    """Buy a pack and record it in the audit log. Raises the errors of `buy_pack`."""
    key = f"order:{order.key or ids.new_id().hex}"
    now = clock.now()
    purchase = await buy_pack(session, clock, order.account_id, key, order.pack, order.method)
    if purchase.created_at >= now:
        details = {"pack": order.pack, "method": order.method.value}
        await _record(
            session, clock, order.actor, order.account_id, "pack.bought", purchase.id, details
        )
    return await get_purchase(session, order.account_id, purchase.id)


async def refund_purchase(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    purchase_id: UUID,
    reason: str,
    *,
    to_customer: bool = False,
) -> PackRefund:
    """Refund the unused units of a purchase. Raises the errors of `refund_pack`."""
    refund = await refund_pack(
        session, clock, account_id, purchase_id, reason, to_customer=to_customer
    )
    details = {"units": refund.bought.purchase.refunded_units, "reason": reason.strip()[:200]}
    await _record(session, clock, actor, account_id, "pack.refunded", purchase_id, details)
    return refund


async def redeem_code(
    database: Database, clock: Clock, actor: Actor, account_id: UUID, code: str
) -> Redemption:
    """Redeem a voucher code, with a limit on invalid codes.

    Raises TooManyVoucherAttempts, VoucherInvalid, VoucherNotRedeemable.
    """
    attempt_id = await count_voucher_attempt(database, clock, account_id)
    async with database.transaction() as session:
        redemption = await redeem_voucher(session, clock, account_id, code, attempt_id)
        batch = ids.format_id(VOUCHER_BATCH_PREFIX, redemption.row.batch_id)
        await record_audit_event(session, clock, actor, account_id, "voucher.redeemed", batch)
    return redemption


async def offer_pack(session: AsyncSession, clock: Clock, actor: Actor, offer: PackOffer) -> Pack:
    """Publish a pack and record it in the audit log."""
    pack = await publish_pack(session, clock, offer)
    await record_audit_event(session, clock, actor, None, "pack.published", pack.name)
    return pack


async def withdraw_offer(
    session: AsyncSession, clock: Clock, actor: Actor, name: str, currency: str
) -> Pack:
    """Stop offering a pack and record it in the audit log. Raises PackNotFound."""
    pack = await withdraw_pack(session, clock, name, currency)
    await record_audit_event(session, clock, actor, None, "pack.withdrawn", pack.name)
    return pack


async def issue_vouchers(
    session: AsyncSession, clock: Clock, actor: Actor, new: NewBatch
) -> tuple[VoucherBatch, list[str]]:
    """Create vouchers and record it in the audit log. Raises the errors of the batch."""
    batch, codes = await create_voucher_batch(session, clock, new)
    name = ids.format_id(VOUCHER_BATCH_PREFIX, batch.id)
    details = {"name": batch.name, "codes": len(codes)}
    await record_audit_event(session, clock, actor, None, "voucher.issued", name, details)
    return batch, codes


def parse_batch_id(public_id: str) -> UUID:
    """Parse the id of a batch (`vbatch_…`). Raises VoucherBatchNotFound."""
    batch_id = ids.parse_id(VOUCHER_BATCH_PREFIX, public_id)
    if batch_id is None:
        raise VoucherBatchNotFound("There is no such voucher batch.", param="batch")
    return batch_id


async def cancel_vouchers(
    session: AsyncSession, clock: Clock, actor: Actor, batch_id: UUID
) -> VoucherBatch:
    """Cancel a batch of vouchers and record it in the audit log. Raises VoucherBatchNotFound."""
    batch = await cancel_voucher_batch(session, clock, batch_id)
    name = ids.format_id(VOUCHER_BATCH_PREFIX, batch.id)
    await record_audit_event(session, clock, actor, None, "voucher.canceled", name)
    return batch


def pack_refund_json(refund: PackRefund) -> dict[str, Any]:
    """Return a refund with its units, amount and credit note; the amount is decimal text."""
    note, purchase, currency = refund.note, refund.bought.purchase, refund.bought.pack.currency
    return {
        "purchase": ids.format_id(PACK_PURCHASE_PREFIX, purchase.id),
        "units": purchase.refunded_units,
        "amount": minor_text(0 if note is None else note.total, currency),
        "currency": currency,
        "credit_note": note and ids.format_id(_CREDIT_NOTE_PREFIX, note.id),
    }


def sold_pack_json(bought: BoughtPack, now: datetime) -> dict[str, Any]:
    """Return a purchase with its account, for operators."""
    account = ids.format_id(ACCOUNT_ID_PREFIX, bought.purchase.account_id)
    return {**purchase_json(bought, now), "account": account}


async def _record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    action: str,
    purchase_id: UUID,
    details: dict[str, Any],
) -> None:
    """Record an action on a purchase in the audit log."""
    name = ids.format_id(PACK_PURCHASE_PREFIX, purchase_id)
    await record_audit_event(session, clock, actor, account_id, action, name, details)
