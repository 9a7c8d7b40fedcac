"""Checkout in setup and payment mode and the billing portal: Stripe's pages for customers.

Owns their sessions, and what a customer does on the Checkout page.
"""

from typing import Any

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, currency_of, merged, page
from tests.support.fakes.stripe.refusals import invalid, not_modelled
from tests.support.fakes.stripe.resources import checkout_payment, setup_intents
from tests.support.fakes.stripe.resources.payment_methods import resolve
from tests.support.fakes.stripe.routing import PAGE, Route

_NULL = (
    "adaptive_pricing after_expiration allow_promotion_codes amount_subtotal amount_total "
    "billing_address_collection client_secret consent collected_information "
    "consent_collection currency_conversion customer_account customer_creation "
    "customer_details discounts invoice invoice_creation origin_context payment_intent "
    "payment_link payment_method_configuration_details permissions recovered_from "
    "saved_payment_method_options shipping_address_collection shipping_cost submit_type "
    "subscription total_details wallet_options"
).split()
_GIVEN = (
    "allowed_payment_method_types cancel_url client_reference_id currency customer "
    "customer_email locale success_url"
).split()

_FOR_INTENT = ("customer", "allowed_payment_method_types")
_A_DAY_S = 24 * 60 * 60


def create(account: Account, call: Call) -> Obj:
    params = call.params
    _check(account, params)
    if params.get("mode", "payment") == "payment":
        made = _session(account, params, "")
        account.private.intent_metadata[made["id"]] = params.get("payment_intent_data", {}).get(
            "metadata", {}
        )
        return account.add({**made, **checkout_payment.fields(params)})
    intent = setup_intents.new_intent(account, _for_intent(params))
    account.add(intent)
    account.emit("setup_intent.created", intent)
    return account.add(_session(account, params, intent["id"]))


def retrieve(account: Account, call: Call) -> Obj:
    return account.get("checkout.session", call.id, "session", 404)


def list_all(account: Account, call: Call) -> Obj:
    found = account.all("checkout.session")
    for key in ("customer", "status"):
        if key in call.params:
            found = [each for each in found if each[key] == call.params[key]]
    return page(account, call, found)


def expire(account: Account, call: Call) -> Obj:
    session = account.get("checkout.session", call.id, "session", 404)
    if session["status"] != "open":
        status = session["status"]
        message = 'Only Checkout Sessions with a status in ["open"] can be expired. '
        raise invalid(f"{message}This Checkout Session has a status of `{status}`.")
    session |= {"status": "expired", "url": None}
    account.emit("checkout.session.expired", session)
    return session


def complete(account: Account, session_id: str, card: str) -> str:
    """Enter this card; returns the payment method. Raises Refusal if the page does not
    continue: the card is declined, or the session has ended."""
    session = account.get("checkout.session", session_id, "session")
    if session["status"] != "open" or session["expires_at"] <= account.now():
        raise invalid("This Checkout Session is no longer open.")
    if session["mode"] == "payment":
        metadata = account.private.intent_metadata[session_id]
        checkout_payment.pay(account, session, card, metadata, waits=False)
        return card
    intent = account.get("setup_intent", session["setup_intent"], "intent")
    method = resolve(account, card, "payment_method")
    setup_intents.attempt(account, intent, method, present=True)
    session |= {"status": "complete", "url": None}
    account.emit("checkout.session.completed", session)
    identifier: str = method["id"]
    return identifier


def create_portal(account: Account, call: Call) -> Obj:
    customer = call.params.get("customer")
    if customer is None:
        raise invalid("Missing required param: customer.", "parameter_missing", "customer")
    account.get("customer", customer, "customer")
    return account.add(
        {
            "id": account.new_id("bps_"),
            "object": "billing_portal.session",
            "after_expiration": None,
            "configuration": account.new_id("bpc_"),
            "created": account.now(),
            "customer": customer,
            "customer_account": None,
            "flow": None,
            "livemode": False,
            "locale": call.params.get("locale"),
            "on_behalf_of": None,
            "return_url": call.params.get("return_url"),
            "url": f"https://billing.stripe.com/p/session/test_{account.new_id('', 64)}",
        }
    )


def _check(account: Account, params: dict[str, Any]) -> None:
    if params.get("mode", "payment") not in ("setup", "payment"):
        raise not_modelled("mode", "POST /v1/checkout/sessions")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise not_modelled("ui_mode", "POST /v1/checkout/sessions")
    if "success_url" not in params:
        raise invalid("Missing required param: success_url.", "parameter_missing", "success_url")
    if params.get("mode", "payment") == "payment":
        checkout_payment.check(account, params)
    elif "currency" not in params and "allowed_payment_method_types" not in params:
        raise invalid("Missing required param: currency.", "parameter_missing", "currency")
    currency_of(params)
    if "customer" in params:
        account.get("customer", params["customer"], "customer")


def _for_intent(params: dict[str, Any]) -> dict[str, Any]:
    data = params.get("setup_intent_data", {})
    kept: dict[str, Any] = {key: params[key] for key in _FOR_INTENT if key in params}
    return {**kept, **data}


def _session(account: Account, params: dict[str, Any], intent: str) -> Obj:
    identifier = account.new_id("cs_test_", 58)
    return {
        "id": identifier,
        "object": "checkout.session",
        **dict.fromkeys(_NULL),
        **{key: params.get(key) for key in _GIVEN},
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "created": account.now(),
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
        ),
        "expires_at": params.get("expires_at", account.now() + _A_DAY_S),
        "livemode": False,
        "metadata": merged({}, params.get("metadata")),
        "mode": "setup",
        "payment_method_collection": "always",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required",
        "setup_intent": intent,
        "shipping_options": [],
        "status": "open",
        "ui_mode": "hosted_page",
        "url": f"https://checkout.stripe.com/c/pay/{identifier}",
    }


_CHECKOUT = (
    "allowed_payment_method_types cancel_url client_reference_id currency customer customer_email "
    "expires_at line_items locale metadata mode payment_intent_data.metadata "
    "payment_method_options.wechat_pay.client setup_intent_data.description "
    "setup_intent_data.metadata success_url ui_mode"
)
ROUTES = (
    Route(
        "POST",
        "/v1/checkout/sessions",
        create,
        of.checkout.SessionCreateParams,
        _CHECKOUT,
    ),
    Route(
        "GET",
        "/v1/checkout/sessions",
        list_all,
        of.checkout.SessionListParams,
        PAGE + "customer status",
    ),
    Route(
        "GET",
        "/v1/checkout/sessions/{id}",
        retrieve,
        of.checkout.SessionRetrieveParams,
    ),
    Route(
        "POST",
        "/v1/checkout/sessions/{id}/expire",
        expire,
        of.checkout.SessionExpireParams,
    ),
    Route(
        "POST",
        "/v1/billing_portal/sessions",
        create_portal,
        of.billing_portal.SessionCreateParams,
        "customer locale return_url",
    ),
)
