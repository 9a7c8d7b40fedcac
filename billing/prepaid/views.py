"""JSON of packs, purchases and vouchers, as the API and the commands show them."""

from datetime import datetime
from typing import Any

from billing.metering.packs import PACK_PURCHASE_PREFIX, PurchaseState
from billing.money import minor_text
from billing.prepaid.pack_offers import OfferedPack
from billing.prepaid.pack_purchases import BoughtPack
from billing.prepaid.redemption import REDEMPTION_PREFIX, Redemption
from billing.prepaid.vouchers import VOUCHER_BATCH_PREFIX, VoucherReport
from billing.tables import VoucherBatch
from infra import ids

_INVOICE_PREFIX, _GRANT_PREFIX = "inv", "grant"


def pack_json(offer: OfferedPack) -> dict[str, Any]:
    """Return an offered pack; the price is decimal text of the major unit."""
    pack = offer.pack
    return {
        "object": "pack",
        "pack": pack.name,
        "names": dict(offer.terms.names),
        "model": pack.model,
        "meter": pack.meter,
        "units": pack.units,
        "price": minor_text(pack.minor, pack.currency),
        "currency": pack.currency,
        "tax_inclusive": offer.terms.tax_inclusive,
        "validity_days": pack.validity_days,
        "max_per_account": pack.max_per_account,
        "max_total": pack.max_total,
        "on_account_plans": pack.on_account_plans,
        "offered": pack.withdrawn_at is None,
    }


def purchase_json(bought: BoughtPack, now: datetime) -> dict[str, Any]:
    """Return a purchase with its used and remaining units at a time."""
    purchase = bought.purchase
    status = purchase_status(bought, now)
    return {
        "id": ids.format_id(PACK_PURCHASE_PREFIX, purchase.id),
        "object": "pack.purchase",
        "pack": bought.pack.name,
        "names": dict(bought.terms.names),
        "status": status,
        "payment_method": purchase.method,
        "model": purchase.model,
        "meter": purchase.meter,
        "units": purchase.units,
        "used": bought.units.used,
        "remaining": bought.remaining if status == PurchaseState.ACTIVE else 0,
        "refunded_units": purchase.refunded_units,
        "invoice": purchase.invoice_id and ids.format_id(_INVOICE_PREFIX, purchase.invoice_id),
        "created_at": purchase.created_at.isoformat(),
        "pay_until": _iso(purchase.pay_until),
        "starts_at": _iso(purchase.starts_at),
        "expires_at": _iso(purchase.expires_at),
    }


def purchase_status(bought: BoughtPack, now: datetime) -> str:
    """Return the state of a purchase at a time: a pack is expired from the instant of its expiry.

    The stored state follows when the periodic work has run.
    """
    purchase = bought.purchase
    is_active = purchase.state == PurchaseState.ACTIVE
    if is_active and purchase.expires_at is not None and purchase.expires_at <= now:
        return PurchaseState.EXPIRED.value
    return purchase.state


def redemption_json(redemption: Redemption) -> dict[str, Any]:
    """Return what a voucher gave: an amount of credit with its grant, or a pack."""
    row, grant, purchase = redemption.row, redemption.grant, redemption.purchase
    expires_at = grant.expires_at if grant else None
    if purchase is not None:
        expires_at = purchase.expires_at
    return {
        "id": ids.format_id(REDEMPTION_PREFIX, row.id),
        "object": "voucher.redemption",
        "amount": None if grant is None else minor_text(grant.minor, redemption.currency),
        "currency": redemption.currency,
        "expires_at": _iso(expires_at),
        "grant": grant and ids.format_id(_GRANT_PREFIX, grant.id),
        "pack": redemption.pack and redemption.pack.name,
        "pack_purchase": purchase and ids.format_id(PACK_PURCHASE_PREFIX, purchase.id),
        "redeemed_at": row.redeemed_at.isoformat(),
    }


def batch_json(batch: VoucherBatch) -> dict[str, Any]:
    """Return a voucher batch without its codes."""
    return {
        "id": ids.format_id(VOUCHER_BATCH_PREFIX, batch.id),
        "name": batch.name,
        "amount": None if batch.minor is None else minor_text(batch.minor, batch.currency),
        "currency": batch.currency,
        "gives_pack": batch.pack_id is not None,
        "credit_days": batch.credit_days,
        "expires_at": batch.expires_at.isoformat(),
        "max_uses": batch.max_uses,
        "per_account": batch.per_account,
        "plans": batch.plans,
        "new_customers_only": batch.new_customers_only,
        "created_at": batch.created_at.isoformat(),
        "canceled_at": _iso(batch.canceled_at),
    }


def voucher_report_json(report: VoucherReport) -> dict[str, Any]:
    """Return a batch with what was redeemed and what is outstanding."""
    currency = report.batch.currency
    return {
        **batch_json(report.batch),
        "codes": report.codes,
        "redeemed": report.redeemed,
        "outstanding": report.outstanding,
        "redeemed_amount": minor_text(report.redeemed_minor, currency),
        "outstanding_amount": minor_text(report.outstanding_minor, currency),
    }


def _iso(moment: datetime | None) -> str | None:
    """Return a time in ISO 8601, None if there is none."""
    return None if moment is None else moment.isoformat()
