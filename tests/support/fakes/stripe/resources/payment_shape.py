"""The shapes of payment intents, charges and invoice payments.

What happens to them is in `payments`.
"""

from typing import Any

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.resources.cards import blank_billing_details, charged_details

_NULL_OF_INTENT = (
    "allowed_payment_method_types application application_fee_amount "
    "automatic_payment_methods canceled_at cancellation_reason customer_account description "
    "excluded_payment_method_types last_payment_error latest_charge next_action on_behalf_of "
    "payment_method payment_method_configuration_details processing receipt_email review "
    "setup_future_usage shipping transfer_data statement_descriptor "
    "statement_descriptor_suffix transfer_group"
).split()
_NULL_OF_CHARGE = (
    "application application_fee application_fee_amount description "
    "failure_balance_transaction failure_code failure_message on_behalf_of receipt_email "
    "receipt_number review shipping source_transfer statement_descriptor "
    "statement_descriptor_suffix transfer_data"
).split()


def new_intent(account: Account, invoice: Obj) -> Obj:
    """A payment intent for the amount due, not stored yet."""
    identifier = account.new_id("pi_")
    card = {"installments": None, "mandate_options": None, "network": None}
    return {
        "id": identifier,
        "object": "payment_intent",
        "amount": invoice["amount_due"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "capture_method": "automatic",
        "client_secret": f"{identifier}_secret_{account.new_id('', 24)}",
        "confirmation_method": "automatic",
        "created": account.now(),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "livemode": False,
        "metadata": {},
        "payment_method_options": {"card": {**card, "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        **dict.fromkeys(_NULL_OF_INTENT),
    }


def new_charge(account: Account, intent: Obj, method: Obj) -> Obj:
    """A successful charge of the whole amount, not stored yet."""
    outcome: dict[str, Any] = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 32,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    return {
        "id": account.new_id("ch_"),
        "object": "charge",
        **dict.fromkeys((*_NULL_OF_CHARGE, "transfer_group")),
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "balance_transaction": account.new_id("txn_"),
        "billing_details": blank_billing_details(),
        "calculated_statement_descriptor": "STAND-IN",
        "captured": True,
        "created": account.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "outcome": outcome,
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": charged_details(method),
        "receipt_url": f"https://pay.stripe.com/receipts/{account.new_id('', 40)}",
        "refunded": False,
        "status": "succeeded",
    }


def new_payment(account: Account, invoice: Obj, intent: Obj) -> Obj:
    """An invoice payment that links invoice and intent, not stored yet."""
    return {
        "id": account.new_id("inpay_"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": account.now(),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
