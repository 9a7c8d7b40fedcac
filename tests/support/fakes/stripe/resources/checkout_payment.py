"""Checkout in payment mode: what Stripe requires of a session, and its payment.

The payment intent of a session exists once the customer has confirmed the page, as at Stripe.
"""

from typing import Any

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import currency_of, merged
from tests.support.fakes.stripe.refusals import declined, invalid
from tests.support.fakes.stripe.resources.cards import card_of
from tests.support.fakes.stripe.resources.payment_methods import resolve
from tests.support.fakes.stripe.resources.payment_shape import new_charge, new_intent

_SOONEST_S, _LATEST_S = 30 * 60, 24 * 60 * 60
_SMALLEST = {"cny": 400, "usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "hkd": 400}
_CURRENCIES = {
    "alipay": set("aud cad cny eur gbp hkd jpy myr nzd sgd usd".split()),
    "wechat_pay": set("aud cad chf cny dkk eur gbp hkd jpy nok sek sgd usd".split()),
}


def check(account: Account, params: dict[str, Any]) -> None:
    """Raise the refusal that Stripe would give for these parameters of payment mode."""
    items = params.get("line_items")
    if not items:
        raise invalid("Missing required param: line_items.", "parameter_missing", "line_items")
    if len(params.get("client_reference_id", "")) > 200:
        raise invalid("Invalid string: at most 200 characters", param="client_reference_id")
    currencies = {currency_of(item["price_data"]) for item in items}
    if len(currencies) != 1:
        raise invalid("All prices on a Checkout Session must have the same currency.")
    (currency,) = currencies
    if total(params) < _SMALLEST.get(currency, 50):
        message = "The Checkout Session's total amount due must add up to at least the minimum."
        raise invalid(message, "amount_too_small")
    if not all(item["price_data"].get("product_data", {}).get("name") for item in items):
        raise invalid("Missing required param: product_data[name].", "parameter_missing")
    expires_at = params.get("expires_at", account.now() + _LATEST_S)
    if not account.now() + _SOONEST_S <= expires_at <= account.now() + _LATEST_S:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
        raise invalid(message, param="expires_at")
    _check_methods(params, currency)


def _check_methods(params: dict[str, Any], currency: str) -> None:
    methods = params.get("allowed_payment_method_types", [])
    check_currency(methods, currency, "allowed_payment_method_types")
    options = params.get("payment_method_options", {}).get("wechat_pay", {})
    if "wechat_pay" in methods and options.get("client") != "web":
        raise invalid(
            "You must provide `payment_method_options[wechat_pay][client]`.", "parameter_missing"
        )


def check_currency(methods: list[str], currency: str, param: str) -> None:
    """Raise the refusal for a payment method that does not take the currency."""
    for name in methods:
        if currency not in _CURRENCIES.get(name, {currency}):
            message = f"Invalid currency: {currency}. The payment method `{name}` does not take it."
            raise invalid(message, param=param)


def total(params: dict[str, Any]) -> int:
    """The amount of all items."""
    return sum(
        item["quantity"] * item["price_data"]["unit_amount"] for item in params["line_items"]
    )


def fields(params: dict[str, Any]) -> Obj:
    """What a session in payment mode has, unlike one in setup mode."""
    amount = total(params)
    return {
        "amount_subtotal": amount,
        "amount_total": amount,
        "currency": currency_of(params["line_items"][0]["price_data"]),
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_types": params.get("allowed_payment_method_types") or ["card"],
        "payment_status": "unpaid",
        "setup_intent": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    }


def pay(account: Account, session: Obj, card: str, metadata: dict[str, str], waits: bool) -> None:
    """Confirm the page with this card; with `waits` the money comes days later, or never."""
    method = resolve(account, card, "payment_method")
    asked = {"amount_due": session["amount_total"], "currency": session["currency"]}
    intent = new_intent(account, {**asked, "customer": session["customer"]})
    intent["metadata"] = merged({}, metadata)
    if not waits and not card_of(account, method).charges:
        known = card_of(account, method)
        raise declined("card_declined", known.decline_code or "generic_decline", known.message)
    account.add(intent)
    session |= {"status": "complete", "url": None, "payment_intent": intent["id"]}
    if waits:
        intent["status"] = "processing"
    else:
        _succeed(account, session, intent, method)
    account.emit("checkout.session.completed", session)


def arrive(account: Account, session: Obj, succeeds: bool) -> None:
    """The outcome of a payment that took days."""
    intent = account.get("payment_intent", session["payment_intent"], "payment_intent")
    if succeeds:
        method = resolve(account, "pm_card_visa", "payment_method")
        _succeed(account, session, intent, method)
        account.emit("checkout.session.async_payment_succeeded", session)
    else:
        intent["status"] = "requires_payment_method"
        account.emit("checkout.session.async_payment_failed", session)


def _succeed(account: Account, session: Obj, intent: Obj, method: Obj) -> None:
    charge = account.add(new_charge(account, intent, method))
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    intent |= {"latest_charge": charge["id"], "payment_method": method["id"]}
    session["payment_status"] = "paid"
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.succeeded", intent)
