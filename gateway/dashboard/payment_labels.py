"""Labels of payment orders, and the names of the checks of reconciliation about them.

The texts are English and marked for extraction to the translation catalogs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dashboard.prepaid_labels import PREPAID_ACTIONS, PREPAID_CHECKS, PREPAID_LABELS
from infra.translations import gettext_noop

PAYMENT_CHECKS = (
    *PREPAID_CHECKS,
    gettext_noop("Paid payment orders are in the ledger once"),
    gettext_noop("Payments by QR code belong to one paid order"),
    gettext_noop("Refunds of payment orders are in the ledger"),
    gettext_noop("Refunds do not exceed their payment"),
    gettext_noop("Payment discrepancies are resolved"),
    gettext_noop("Payment orders equal the provider's payments"),
    gettext_noop("Payment orders have one payment at the provider"),
    gettext_noop("Refunds of payment orders equal the provider's refunds"),
    gettext_noop("Confirmed bank lines equal their payments"),
    gettext_noop("Payments of bank lines have a confirmed line"),
    gettext_noop("Bank lines that differ from their invoice are decided"),
)
PAYMENT_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        **PREPAID_ACTIONS,
        "payment.started": gettext_noop("Started a payment"),
        "payment.canceled": gettext_noop("Canceled a payment"),
        "payment.refunded": gettext_noop("Refunded a payment"),
        "payment.resolved": gettext_noop("Resolved a payment discrepancy"),
    }
)
PAYMENT_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        **PREPAID_LABELS,
        "payment_method": {
            "wechat_pay": gettext_noop("WeChat Pay"),
            "alipay": gettext_noop("Alipay"),
            "stripe_saved": gettext_noop("Automatic top-up (Stripe)"),
            "stripe_checkout": gettext_noop("Stripe (card and other methods)"),
        },
        "payment_order": {
            "created": gettext_noop("Waiting for the provider"),
            "pending": gettext_noop("Waiting for payment"),
            "paid": gettext_noop("Paid"),
            "expired": gettext_noop("Expired"),
            "closed": gettext_noop("Canceled"),
            "failed": gettext_noop("Failed"),
        },
        "discrepancy": {
            "amount": gettext_noop("Another amount"),
            "currency": gettext_noop("Another currency"),
            "paid_twice": gettext_noop("Paid twice"),
            "transaction_reused": gettext_noop("Transaction of another order"),
            "refunded_elsewhere": gettext_noop("Refunded at the provider"),
            "refund_amount": gettext_noop("Another amount refunded"),
        },
    }
)
