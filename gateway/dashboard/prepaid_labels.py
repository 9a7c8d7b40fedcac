"""Labels of prepaid packs, vouchers and top-ups, and the names of their reconciliation checks.

The texts are English and marked for extraction to the translation catalogs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

# By their names in billing/reconciliation/prepaid.py.
PREPAID_CHECKS = (
    gettext_noop("A pack's used units equal the units of its calls"),
    gettext_noop("Calls used packs of their account, model and time"),
    gettext_noop("Period totals equal the units of packs that calls used"),
    gettext_noop("Deferred revenue of packs equals what is not used, credited or expired"),
    gettext_noop("Vouchers were used as often as they were redeemed"),
    gettext_noop("Automatic top-ups equal their payments"),
)
PREPAID_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "pack.bought": gettext_noop("Bought a prepaid pack"),
        "pack.refunded": gettext_noop("Refunded a prepaid pack"),
        "pack.published": gettext_noop("Offered a prepaid pack"),
        "pack.withdrawn": gettext_noop("Withdrew a prepaid pack"),
        "voucher.redeemed": gettext_noop("Redeemed a voucher"),
        "voucher.issued": gettext_noop("Created vouchers"),
        "voucher.canceled": gettext_noop("Canceled vouchers"),
        "auto_top_up.on": gettext_noop("Turned automatic top-up on"),
        "auto_top_up.off": gettext_noop("Turned automatic top-up off"),
    }
)
PREPAID_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "pack_status": {
            "unpaid": gettext_noop("Waiting for payment"),
            "active": gettext_noop("Active"),
            "expired": gettext_noop("Expired"),
            "refunded": gettext_noop("Refunded"),
            "canceled": gettext_noop("Canceled"),
        },
        "pack_method": {
            "wallet": gettext_noop("From the wallet"),
            "invoice": gettext_noop("Pay the invoice first"),
            "on_account": gettext_noop("On account"),
            "voucher": gettext_noop("Voucher"),
        },
        "pack_meter": {
            "tokens": gettext_noop("tokens"),
        },
    }
)

PREPAID_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "refund_invalid": gettext_noop(
            "This refund is not possible: the amount is too large, or the order is not paid."
        ),
        "refund_differs": gettext_noop("This refund was sent already with other values."),
        "payment_discrepancy_state_wrong": gettext_noop(
            "This discrepancy cannot be resolved in this way, or is resolved already."
        ),
        "pack_not_found": gettext_noop("This pack is not offered any more."),
        "pack_unavailable": gettext_noop(
            "This pack cannot be bought in this way: a limit is reached, or the plan or an overdue "
            "invoice does not allow it."
        ),
        "pack_funds_insufficient": gettext_noop(
            "The wallet does not cover the pack and the usage so far. Top up, or pay the invoice "
            "of the pack first."
        ),
        "pack_not_refundable": gettext_noop(
            "The pack cannot be refunded now: it has ended, was a gift, or running calls use it."
        ),
        "voucher_not_found": gettext_noop("This code is not valid. Check each character."),
        "voucher_not_redeemable": gettext_noop(
            "This voucher cannot be redeemed: it was used, has expired or is not for this account."
        ),
        "too_many_voucher_attempts": gettext_noop("Too many invalid codes. Try again in one hour."),
        "auto_top_up_invalid": gettext_noop(
            "Check the amounts and agree to the payments. The ceiling must be at least the amount."
        ),
        "voucher_batch_invalid": gettext_noop("Check the fields: a value is missing or too large."),
    }
)
