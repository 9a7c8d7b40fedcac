"""Customers' actions on Stripe's pages other than Checkout: payment and authentication."""

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.refusals import declined, invalid, not_open
from tests.support.fakes.stripe.resources import payments, settling, setup_intents
from tests.support.fakes.stripe.resources.payment_methods import resolve


def pay(account: Account, invoice_id: str, card: str) -> None:
    """Pay an open invoice by a card, or by Alipay where the invoice takes it.

    Raises `Refusal` with the error of the page.
    """
    invoice = account.get("invoice", invoice_id, "invoice")
    if invoice["status"] not in ("open", "uncollectible"):
        raise not_open()
    method = resolve(account, card, "payment_method")
    if method["type"] not in (invoice["payment_settings"]["payment_method_types"] or ["card"]):
        raise invalid("The payment method is not offered for this invoice.", param="payment_method")
    refusal = settling.attempt(account, invoice, method)
    if refusal is not None:
        raise refusal


def authenticate(account: Account, intent_id: str, succeeds: bool) -> None:
    """Pass or fail the authentication of an intent."""
    intent = account.named(intent_id)
    if intent is None or intent["status"] != "requires_action":
        raise invalid("This intent asks for nothing.")
    method = account.get("payment_method", intent["payment_method"], "payment_method")
    if not succeeds:
        _fail(account, intent)
    elif intent["object"] == "setup_intent":
        setup_intents.succeed(account, intent, method)
    else:
        _pay(account, intent, method)


def _pay(account: Account, intent: Obj, method: Obj) -> None:
    payment = next(
        o
        for o in account.all("invoice_payment", status="open")
        if o["payment"]["payment_intent"] == intent["id"]
    )
    charge = payments.succeed(account, payment, method)
    settling.settle(account, account.get("invoice", payment["invoice"], "invoice"), charge)


def _fail(account: Account, intent: Obj) -> None:
    what = "setup_intent" if intent["object"] == "setup_intent" else "payment_intent"
    message = "We are unable to authenticate your payment method. Please choose a different "
    message += "payment method and try again."
    error = declined(f"{what}_authentication_failure", "authentication_not_handled", message).error
    del error["decline_code"]
    intent |= {"status": "requires_payment_method", "next_action": None, "payment_method": None}
    if what == "setup_intent":
        intent["last_setup_error"] = error
        account.emit("setup_intent.setup_failed", intent)
    else:
        intent["last_payment_error"] = error
        account.emit("payment_intent.payment_failed", intent)
