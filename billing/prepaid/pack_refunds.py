"""Refunds of prepaid packs by the operator.

    refund = amount of the invoice (with tax) x unused units / units, rounded down

A pack of which nothing was used is refunded whole. The refund is a credit note of the pack's
invoice: what was paid goes to the wallet, or back to the customer, and what was not paid is no
longer owed. The pack ends, and no unit of it can be used afterwards.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.invoices.credit_notes import CreditNoteRequest, create_credit_note
from billing.invoices.lifecycle import get_invoice
from billing.metering.packs import PurchaseState, end_purchase, load_pack_units
from billing.metering.quotas import lock_quotas
from billing.prepaid.pack_purchases import BoughtPack, get_purchase
from billing.prepaid.pack_revenue import recognize_used_units
from billing.tables import CreditNote
from infra.clock import Clock
from infra.errors import AppError


class PackNotRefundable(AppError):
    """The purchase cannot be refunded: it has ended, was not bought, or is in use."""

    status = 409
    type = "invalid_request_error"
    code = "pack_not_refundable"


@dataclass(frozen=True, slots=True)
class PackRefund:
    """A refunded purchase with its credit note; None if the unused share rounds to nothing."""

    bought: BoughtPack
    note: CreditNote | None


def refund_amount(total: int, unused: int, units: int) -> int:
    """Return the refund in minor units for `unused` of `units`, of an invoice of `total`."""
    return total * unused // units


async def refund_pack(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    purchase_id: UUID,
    reason: str,
    *,
    to_customer: bool = False,
) -> PackRefund:
    """End an active purchase and credit its unused units; once.

    With `to_customer` money that was received for the invoice goes back to the customer, not to
    the wallet. Raises PackPurchaseNotFound, PackNotRefundable, CreditNoteInvalid.
    """
    await lock_profile(session, account_id)
    await lock_quotas(session, account_id)
    bought = await get_purchase(session, account_id, purchase_id)
    purchase = bought.purchase
    await session.refresh(purchase)
    if purchase.invoice_id is None:
        raise PackNotRefundable("A pack that was given by a voucher is not refunded.")
    if purchase.state != PurchaseState.ACTIVE or (purchase.expires_at or clock.now()) <= (
        clock.now()
    ):
        raise PackNotRefundable(
            f"The purchase is {purchase.state}. Only an active one is refunded."
        )
    units = (await load_pack_units(session, account_id, [purchase_id]))[purchase_id]
    if units.leased:
        raise PackNotRefundable(
            "Units of the pack are reserved by running calls. Try again in a few seconds."
        )
    invoice = await get_invoice(session, account_id, purchase.invoice_id)
    unused = purchase.units - units.used
    await end_purchase(session, purchase, PurchaseState.REFUNDED, clock.now())
    purchase.refunded_units = unused
    minor = refund_amount(invoice.total, unused, purchase.units)
    note = None
    if minor:
        credit = CreditNoteRequest(minor, reason, to_customer)
        key = f"pack_refund:{purchase_id}"
        note = await create_credit_note(session, clock, account_id, invoice.id, key, credit)
    await recognize_used_units(session, clock, purchase)
    await session.flush()
    return PackRefund(await get_purchase(session, account_id, purchase_id), note)
