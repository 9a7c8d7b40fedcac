"""Status transitions of an invoice: draft, open, then paid, void or uncollectible.

Owns finalizing, paying, sending, voiding and giving up; which step starts from which state; and
how a customer's balance is used up. What charges a card is in `payments`.
"""

from types import MappingProxyType
from typing import Any

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call
from tests.support.fakes.stripe.refusals import Refusal, invalid, not_open
from tests.support.fakes.stripe.resources import payments
from tests.support.fakes.stripe.resources.customers import move_balance
from tests.support.fakes.stripe.resources.invoice_shape import (
    copy_customer,
    recompute,
    usable_balance,
)
from tests.support.fakes.stripe.resources.payment_methods import resolve
from tests.support.fakes.stripe.routing import Route

_LARGEST = 99_999_999
# Stripe charges at least about half a US dollar; the account is taken to settle in US dollars.
_SMALLEST = MappingProxyType({"cny": 400, "gbp": 30, "hkd": 400})
_SMALLEST_ELSE = 50
_RETRY_AFTER_S = 3 * 24 * 60 * 60


def finalize(account: Account, call: Call) -> Obj:
    invoice = account.get("invoice", call.id, "id", 404)
    if invoice["status"] != "draft":
        message = "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        raise invalid(message)
    if "auto_advance" in call.params:
        invoice["auto_advance"] = call.params["auto_advance"]
    to_open(account, invoice)
    return invoice


def pay(account: Account, call: Call) -> Obj:
    invoice, params = account.get("invoice", call.id, "id", 404), call.params
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid")
    if invoice["status"] == "void":
        raise not_open()
    out_of_band = params.get("paid_out_of_band", False)
    method = None if out_of_band else _method(account, invoice, params)
    if invoice["status"] == "draft":
        to_open(account, invoice)
    if invoice["status"] == "paid":
        return invoice
    if out_of_band:
        payments.call_off(account, invoice, "abandoned")
        to_paid(account, invoice, attempted=invoice["attempted"])
        return invoice
    if method is None:
        raise _no_method()
    refusal = attempt(account, invoice, method)
    if refusal is not None:
        raise refusal
    return invoice


def send(account: Account, call: Call) -> Obj:
    invoice = account.get("invoice", call.id, "invoice", 404)
    if invoice["collection_method"] != "send_invoice":
        message = "You can only manually send an invoice if its collection method is "
        raise invalid(message + "'send_invoice'.")
    if invoice["status"] not in ("draft", "open"):
        message = "This invoice cannot be sent right now. Please contact us via "
        raise invalid(message + "https://support.stripe.com/contact with details, so we can help.")
    if invoice["status"] == "draft":
        to_open(account, invoice)
    account.emit("invoice.sent", invoice)
    return invoice


def void(account: Account, call: Call) -> Obj:
    invoice = account.get("invoice", call.id, "id", 404)
    if invoice["status"] == "paid":
        raise invalid("Invoices with `paid` payments cannot be voided.")
    if invoice["status"] != "open":
        raise not_open()
    _move(account, invoice, "void", "voided_at", auto_advance=False, next_payment_attempt=None)
    payments.call_off(account, invoice, "void_invoice")
    _give_back_balance(account, invoice)
    account.emit("invoice.voided", invoice)
    return invoice


def mark_uncollectible(account: Account, call: Call) -> Obj:
    invoice = account.get("invoice", call.id, "id", 404)
    if invoice["status"] == "uncollectible":
        raise invalid("This invoice has already been marked uncollectible.")
    if invoice["status"] != "open":
        raise not_open()
    _move(account, invoice, "uncollectible", "marked_uncollectible_at", next_payment_attempt=None)
    account.emit("invoice.marked_uncollectible", invoice)
    return invoice


def to_open(account: Account, invoice: Obj) -> None:
    """Finalize the draft; with no amount due it is paid at once."""
    customer = account.get("customer", invoice["customer"], "customer")
    recompute(account, invoice)
    if invoice["amount_due"] > _LARGEST:
        message = f"The amount of the invoice must be no more than {_LARGEST}."
        raise invalid(message, "amount_too_large")
    copy_customer(account, invoice, customer)
    if invoice["number"] is None:
        sequence = customer["next_invoice_sequence"]
        invoice["number"] = f"{customer['invoice_prefix']}-{sequence:04}"
        customer["next_invoice_sequence"] += 1
    _use_balance(account, invoice, customer)
    _move(account, invoice, "open", "finalized_at", **_finalized(account, invoice))
    account.emit("invoice.finalized", invoice)
    if invoice["amount_due"]:
        payments.ask(account, invoice)
    else:
        to_paid(account, invoice, attempted=True)
        account.emit("invoice.payment_succeeded", invoice)


def attempt(account: Account, invoice: Obj, method: Obj) -> Refusal | None:
    """Charge the open amount; returns Stripe's error if the card is declined."""
    payment = payments.payment_of(account, invoice)
    assert payment is not None, "an open invoice has something to collect"
    outcome = payments.collect(account, payment, method)
    invoice["attempt_count"] = max(1, invoice["attempt_count"])
    if isinstance(outcome, Refusal):
        action = outcome.error["code"] == "invoice_payment_intent_requires_action"
        fail(account, invoice, requires_action=action)
        return outcome
    settle(account, invoice, outcome)
    return None


def settle(account: Account, invoice: Obj, charge: Obj) -> None:
    """Mark the invoice paid by the charge."""
    account.private.charges[invoice["id"]] = charge["id"]
    to_paid(account, invoice, attempted=True)
    account.emit("invoice.payment_succeeded", invoice)


def to_paid(account: Account, invoice: Obj, attempted: bool) -> None:
    """Set the status to paid."""
    paid = {"amount_paid": invoice["amount_due"], "amount_remaining": 0, "attempted": attempted}
    paid |= {"auto_advance": False, "next_payment_attempt": None}
    _move(account, invoice, "paid", "paid_at", **paid)
    account.emit("invoice.paid", invoice)


def fail(account: Account, invoice: Obj, requires_action: bool) -> None:
    """Record a failed attempt; the status is unchanged."""
    retried = invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically"
    following = account.now() + _RETRY_AFTER_S if retried else None
    with account.changing(invoice, "invoice.updated"):
        invoice |= {"attempted": True, "next_payment_attempt": following}
    account.emit("invoice.payment_failed", invoice)
    if requires_action:
        account.emit("invoice.payment_action_required", invoice)


def default_method(account: Account, invoice: Obj) -> Obj | None:
    """The default payment method for charges; an attached card is not a default."""
    customer = account.find("customer", invoice["customer"]) or {}
    name = invoice["default_payment_method"]
    name = name or customer.get("invoice_settings", {}).get("default_payment_method")
    method = account.find("payment_method", name) if name else None
    return method if method and method["customer"] == invoice["customer"] else None


def _method(account: Account, invoice: Obj, params: dict[str, Any]) -> Obj | None:
    if "payment_method" not in params:
        return default_method(account, invoice)
    method = resolve(account, params["payment_method"], "payment_method")
    if method["customer"] not in (None, invoice["customer"]):
        message = f"The payment method {method['id']} does not belong to the invoice's customer."
        raise invalid(message, param="payment_method")
    return method


def _no_method() -> Refusal:
    message = "This customer has no attached payment source or default payment method. "
    message += "Please consider adding a default payment method. For more information, visit "
    message += "https://stripe.com/docs/billing/subscriptions/payment-methods-setting"
    return invalid(message + "#payment-method-priority.", "resource_missing")


def _move(account: Account, invoice: Obj, status: str, stamp: str, **values: Any) -> None:
    with account.changing(invoice, "invoice.updated"):
        invoice |= {"status": status, **values}
        invoice["status_transitions"][stamp] = account.now()


def _finalized(account: Account, invoice: Obj) -> Obj:
    hosted = f"https://invoice.stripe.com/i/{account.new_id('acct_', 16)}/test_{invoice['id']}"
    retried = invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically"
    return {
        "automatically_finalizes_at": None,
        "effective_at": account.now(),
        "hosted_invoice_url": hosted,
        "invoice_pdf": f"{hosted}/pdf",
        "next_payment_attempt": account.now() if retried else None,
    }


def _use_balance(account: Account, invoice: Obj, customer: Obj) -> None:
    """Apply the customer balance: credit reduces the amount due, small amounts are carried over."""
    starting = usable_balance(customer, invoice)
    due, ending = invoice["total"] + starting, 0
    kind = "applied_to_invoice"
    if due < 0:
        due, ending = 0, due
    elif 0 < due < _SMALLEST.get(invoice["currency"], _SMALLEST_ELSE):
        due, ending, kind = 0, due, "invoice_too_small"
    invoice |= {"amount_due": due, "amount_remaining": due}
    invoice |= {"starting_balance": starting, "ending_balance": ending}
    account.private.applied[invoice["id"]] = ending - starting
    if ending != starting:
        cause = {"invoice": invoice["id"]}
        move_balance(account, customer, ending - starting, invoice["currency"], kind, **cause)


def _give_back_balance(account: Account, invoice: Obj) -> None:
    moved = account.private.applied.pop(invoice["id"], 0)
    customer = account.find("customer", invoice["customer"])
    if moved and customer is not None and not customer.get("deleted"):
        kind, cause = "unapplied_from_invoice", {"invoice": invoice["id"]}
        move_balance(account, customer, -moved, invoice["currency"], kind, **cause)


ROUTES = (
    Route(
        "POST",
        "/v1/invoices/{id}/finalize",
        finalize,
        of.InvoiceFinalizeInvoiceParams,
        "auto_advance",
    ),
    Route(
        "POST",
        "/v1/invoices/{id}/pay",
        pay,
        of.InvoicePayParams,
        "off_session paid_out_of_band payment_method",
    ),
    Route("POST", "/v1/invoices/{id}/send", send, of.InvoiceSendInvoiceParams),
    Route("POST", "/v1/invoices/{id}/void", void, of.InvoiceVoidInvoiceParams),
    Route(
        "POST",
        "/v1/invoices/{id}/mark_uncollectible",
        mark_uncollectible,
        of.InvoiceMarkUncollectibleParams,
    ),
)
