"""Setup intents: a card is saved for later charges without the customer.

Owns `/v1/setup_intents` and the step that confirms one, which Checkout takes too.
"""

from typing import Any

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, merged, page
from tests.support.fakes.stripe.refusals import declined, invalid
from tests.support.fakes.stripe.resources.cards import card_of
from tests.support.fakes.stripe.resources.payment_methods import give, require_fresh, resolve
from tests.support.fakes.stripe.routing import PAGE, Route

_WAITING = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(account: Account, call: Call) -> Obj:
    params = call.params
    customer = params.get("customer")
    if customer is not None:
        account.get("customer", customer, "customer")
    if params.get("confirm"):
        _require_return_url(_methods(params), params)
    intent = new_intent(account, params)
    if "payment_method" in params:
        method = resolve(account, params["payment_method"], "payment_method")
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    account.add(intent)
    account.emit("setup_intent.created", intent)
    return _confirm_with(account, intent, params) if params.get("confirm") else intent


def retrieve(account: Account, call: Call) -> Obj:
    return account.get("setup_intent", call.id, "intent", 404)


def list_all(account: Account, call: Call) -> Obj:
    found = account.all("setup_intent")
    if "customer" in call.params:
        found = [each for each in found if each["customer"] == call.params["customer"]]
    return page(account, call, found)


def confirm(account: Account, call: Call) -> Obj:
    intent = account.get("setup_intent", call.id, "intent", 404)
    _require_return_url(intent["automatic_payment_methods"], call.params)
    return _confirm_with(account, intent, call.params)


def _confirm_with(account: Account, intent: Obj, params: dict[str, Any]) -> Obj:
    name = params.get("payment_method", intent["payment_method"])
    if name is None:
        message = "You cannot confirm this SetupIntent because it's missing a payment method. "
        message += "You can either update the SetupIntent with a payment method and then confirm "
        message += "it again, or confirm it again directly with a payment method."
        raise invalid(message, "setup_intent_unexpected_state")
    if intent["status"] not in _WAITING:
        state = "already succeeded" if intent["status"] == "succeeded" else "been canceled"
        message = f"You cannot confirm this SetupIntent because it has {state}."
        raise invalid(message, "setup_intent_unexpected_state")
    method = resolve(account, name, "payment_method")
    require_fresh(account, method)
    _require_owner(intent, method)
    return attempt(account, intent, method, present=False)


def attempt(account: Account, intent: Obj, method: Obj, present: bool) -> Obj:
    """Set the card up. Raises Refusal if declined; a present customer authenticates at once."""
    card = card_of(account, method)
    if not card.attaches:
        _fail(account, intent, method)
    if card.authenticates and not present:
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
        intent |= {"status": "requires_action", "next_action": action}
        intent["payment_method"] = method["id"]
        account.emit("setup_intent.requires_action", intent)
        return intent
    return succeed(account, intent, method)


def succeed(account: Account, intent: Obj, method: Obj) -> Obj:
    intent |= {"status": "succeeded", "payment_method": method["id"], "next_action": None}
    intent |= {"last_setup_error": None, "latest_attempt": account.new_id("setatt_")}
    if intent["customer"] is not None and method["customer"] is None:
        give(account, method, intent["customer"])
    account.emit("setup_intent.succeeded", intent)
    return intent


def _fail(account: Account, intent: Obj, method: Obj) -> None:
    card = card_of(account, method)
    shown = account.show(method)
    refusal = declined("card_declined", card.decline_code, card.message, payment_method=shown)
    intent |= {"status": "requires_payment_method", "payment_method": None}
    intent |= {"last_setup_error": refusal.error, "latest_attempt": account.new_id("setatt_")}
    account.emit("setup_intent.setup_failed", intent)
    refusal.error["setup_intent"] = account.show(intent)
    raise refusal


def _require_owner(intent: Obj, method: Obj) -> None:
    if method["customer"] is not None and method["customer"] != intent["customer"]:
        message = f"The payment method supplied ({method['id']}) belongs to another Customer."
        raise invalid(message, param="payment_method")


def _require_return_url(automatic: Obj | None, params: dict[str, Any]) -> None:
    """Require a return URL for automatic payment methods, which may redirect; cards do not."""
    redirects = automatic is not None and automatic["allow_redirects"] == "always"
    if redirects and "return_url" not in params:
        raise invalid(
            "This SetupIntent is configured to accept payment methods enabled in your Dashboard. "
            "Because some of these payment methods might redirect your customer off of your page, "
            "you must provide a `return_url`. If you don't want to accept redirect-based payment "
            "methods, set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents "
            "and Payment Intents."
        )


def _methods(params: dict[str, Any]) -> Obj | None:
    if "allowed_payment_method_types" in params:
        return None
    given = params.get("automatic_payment_methods", {})
    return {"enabled": True, "allow_redirects": given.get("allow_redirects", "always")}


def new_intent(account: Account, params: dict[str, Any]) -> Obj:
    """A setup intent without a payment method that is not stored yet."""
    identifier = account.new_id("seti_")
    return {
        "id": identifier,
        "object": "setup_intent",
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "application": None,
        "automatic_payment_methods": _methods(params),
        "cancellation_reason": None,
        "client_secret": f"{identifier}_secret_{account.new_id('', 24)}",
        "created": account.now(),
        "customer": params.get("customer"),
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merged({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    }


_SETUP = "allowed_payment_method_types automatic_payment_methods confirm customer description "
ROUTES = (
    Route(
        "POST",
        "/v1/setup_intents",
        create,
        of.SetupIntentCreateParams,
        _SETUP + "metadata payment_method return_url usage",
    ),
    Route(
        "GET",
        "/v1/setup_intents",
        list_all,
        of.SetupIntentListParams,
        PAGE + "customer",
    ),
    Route(
        "GET",
        "/v1/setup_intents/{id}",
        retrieve,
        of.SetupIntentRetrieveParams,
    ),
    Route(
        "POST",
        "/v1/setup_intents/{id}/confirm",
        confirm,
        of.SetupIntentConfirmParams,
        "payment_method return_url",
    ),
)
