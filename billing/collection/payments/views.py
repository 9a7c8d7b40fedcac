"""JSON views of payment orders, their refunds and discrepancies, for the API and the CLI.

Amounts are decimal strings in the major unit; times are UTC.
"""

from collections.abc import Sequence
from typing import Any

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.collection.payments.discrepancies import DISCREPANCY_PREFIX
from billing.collection.payments.orders import PAYMENT_ORDER_PREFIX
from billing.collection.payments.provider import RefundState
from billing.collection.payments.refunds import PAYMENT_REFUND_PREFIX
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.money import minor_text
from billing.tables import PaymentDiscrepancy, PaymentOrder, PaymentRefund
from infra import ids


def payment_order_json(order: PaymentOrder, refunds: Sequence[PaymentRefund]) -> dict[str, Any]:
    """Return an order with its refunds; `code_url` is the QR code's content while it is due."""
    refunded = sum(one.minor for one in refunds if one.state != RefundState.FAILED)
    invoice_id = order.invoice_id
    return {
        "object": "payment_order",
        "id": ids.format_id(PAYMENT_ORDER_PREFIX, order.id),
        "status": order.state,
        "method": order.method,
        "purpose": "top_up" if invoice_id is None else "invoice",
        "invoice": None if invoice_id is None else ids.format_id(INVOICE_ID_PREFIX, invoice_id),
        "amount": minor_text(order.minor, order.currency),
        "currency": order.currency,
        "code_url": order.code if order.state == "pending" else None,
        "credited_to": order.credited_to,
        "transaction": order.transaction_id,
        "created_at": order.created_at.isoformat(),
        "expires_at": order.expires_at.isoformat(),
        "paid_at": order.paid_at and order.paid_at.isoformat(),
        "refunded": minor_text(refunded, order.currency),
        "refunds": [_refund_json(one, order.currency) for one in refunds],
    }


def _refund_json(refund: PaymentRefund, currency: str) -> dict[str, Any]:
    """Return a refund as customers see it."""
    return {
        "id": ids.format_id(PAYMENT_REFUND_PREFIX, refund.id),
        "status": refund.state,
        "amount": minor_text(refund.minor, currency),
        "reason": refund.reason,
        "created_at": refund.created_at.isoformat(),
    }


def operator_order_json(order: PaymentOrder, refunds: Sequence[PaymentRefund]) -> dict[str, Any]:
    """Return an order as operators see it: with account, numbers, polls and refusals."""
    return {
        **payment_order_json(order, refunds),
        "account": ids.format_id(ACCOUNT_ID_PREFIX, order.account_id),
        "number": order.number,
        "next_query_at": order.poll_at and order.poll_at.isoformat(),
        "refund_errors": [one.last_error for one in refunds if one.last_error],
    }


def discrepancy_json(found: PaymentDiscrepancy) -> dict[str, Any]:
    """Return a discrepancy as operators see it."""
    return {
        "object": "payment_discrepancy",
        "id": ids.format_id(DISCREPANCY_PREFIX, found.id),
        "account": ids.format_id(ACCOUNT_ID_PREFIX, found.account_id),
        "payment_order": ids.format_id(PAYMENT_ORDER_PREFIX, found.order_id),
        "kind": found.kind,
        "reference": found.reference,
        "amount": minor_text(found.minor, found.currency),
        "currency": found.currency,
        "recorded_at": found.recorded_at.isoformat(),
        "resolved_at": found.resolved_at and found.resolved_at.isoformat(),
        "resolution": found.resolution,
    }
