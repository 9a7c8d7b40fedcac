"""Payment intents of saved payment methods, charged without the customer present."""

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, currency_of, merged
from tests.support.fakes.stripe.refusals import declined, invalid
from tests.support.fakes.stripe.resources.cards import card_of
from tests.support.fakes.stripe.resources.customers import require_method
from tests.support.fakes.stripe.resources.payment_shape import new_charge, new_intent
from tests.support.fakes.stripe.routing import Route


def create(account: Account, call: Call) -> Obj:
    """Create and confirm an intent, as one must for `off_session`."""
    params = call.params
    for name in ("amount", "currency", "customer", "payment_method"):
        if name not in params:
            raise invalid(f"Missing required param: {name}.", "parameter_missing", name)
    if not params.get("confirm") or not params.get("off_session"):
        message = "You may only specify one of these parameters: off_session, when confirm=true."
        raise invalid(message, "parameter_missing", "confirm")
    if params["amount"] < 1:
        raise invalid("Invalid positive integer", "parameter_invalid_integer", "amount")
    customer = account.get("customer", params["customer"], "customer")
    require_method(account, customer["id"], params["payment_method"], "payment_method")
    method = account.get("payment_method", params["payment_method"], "payment_method")
    asked = {"amount_due": params["amount"], "currency": currency_of(params)}
    intent = account.add(new_intent(account, {**asked, "customer": customer["id"]}))
    intent["metadata"] = merged({}, params.get("metadata"))
    account.emit("payment_intent.created", intent)
    return _confirm(account, intent, method)


def _confirm(account: Account, intent: Obj, method: Obj) -> Obj:
    card = card_of(account, method)
    if card.authenticates or not card.charges:
        intent["status"] = "requires_payment_method"
        account.emit("payment_intent.payment_failed", intent)
        code = "authentication_required" if card.authenticates else card.decline_code
        message = "The card was declined. This transaction requires authentication."
        raise declined("card_declined", code or "generic_decline", message)
    charge = account.add(new_charge(account, intent, method))
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    intent |= {"latest_charge": charge["id"], "payment_method": method["id"]}
    account.emit("payment_intent.succeeded", intent)
    return intent


def cancel(account: Account, call: Call) -> Obj:
    intent = account.get("payment_intent", call.id, "intent", 404)
    if intent["status"] in ("succeeded", "canceled"):
        status = intent["status"]
        message = f"You cannot cancel this PaymentIntent because it has a status of {status}."
        raise invalid(message, "payment_intent_unexpected_state")
    intent |= {"status": "canceled", "canceled_at": account.now()}
    account.emit("payment_intent.canceled", intent)
    return intent


ROUTES = (
    Route(
        "POST",
        "/v1/payment_intents",
        create,
        of.PaymentIntentCreateParams,
        "amount confirm currency customer metadata off_session payment_method",
    ),
    Route(
        "POST",
        "/v1/payment_intents/{id}/cancel",
        cancel,
        of.PaymentIntentCancelParams,
    ),
)
