"""Payment methods: cards and their customers.

The cards themselves, of which only Stripe's test cards exist, are in `cards`.
"""

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, page
from tests.support.fakes.stripe.refusals import Refusal, declined, invalid
from tests.support.fakes.stripe.resources.cards import TEST_CARDS, card_of, new_method
from tests.support.fakes.stripe.routing import PAGE, Route


def resolve(account: Account, identifier: str, param: str, status: int = 400) -> Obj:
    """The payment method with the id, or a new one for the name of a test card."""
    if identifier in TEST_CARDS:
        return new_method(account, identifier)
    return account.get("payment_method", identifier, param, status)


def retrieve(account: Account, call: Call) -> Obj:
    return resolve(account, call.id, "payment_method", 404)


def attach(account: Account, call: Call) -> Obj:
    if "customer" not in call.params:
        raise invalid("Must provide customer or customer_account.", "parameter_missing")
    customer = account.get("customer", call.params["customer"], "customer")
    method = resolve(account, call.id, "payment_method", 404)
    if method["customer"] == customer["id"]:
        return method
    if method["customer"] is not None:
        raise invalid("The payment method you provided has already been attached to a customer.")
    require_fresh(account, method)
    card = card_of(account, method)
    if not card.attaches:
        raise declined("card_declined", card.decline_code, card.message)
    give(account, method, customer["id"])
    return method


def require_fresh(account: Account, method: Obj) -> None:
    """Check that the payment method was never detached."""
    if method["id"] in account.private.used_up:
        raise _used_up()


def give(account: Account, method: Obj, customer: str) -> None:
    """Attach the payment method to the customer."""
    method["customer"] = customer
    account.emit("payment_method.attached", method)


def detach(account: Account, call: Call) -> Obj:
    method = account.get("payment_method", call.id, "payment_method", 404)
    owner = method["customer"]
    if owner is None:
        message = "The payment method you provided is not attached to a customer "
        raise invalid(message + "so detachment is impossible.")
    method["customer"] = None
    account.private.used_up.add(method["id"])
    account.emit("payment_method.detached", method, {"customer": owner})
    _forget_default(account, owner, method["id"])
    return method


def list_all(account: Account, call: Call) -> Obj:
    customer = call.params.get("customer")
    if customer is None:
        return page(account, call, [])
    account.get("customer", customer, "customer")
    return _page_of(account, call, customer)


def list_of_customer(account: Account, call: Call) -> Obj:
    account.get("customer", call.id, "customer", 404)
    return _page_of(account, call, call.id)


def _page_of(account: Account, call: Call, customer: str) -> Obj:
    found = account.all("payment_method", customer=customer)
    if "type" in call.params:
        found = [each for each in found if each["type"] == call.params["type"]]
    return page(account, call, found)


def _forget_default(account: Account, owner: str, method: str) -> None:
    customer = account.get("customer", owner, "customer")
    if customer["invoice_settings"]["default_payment_method"] == method:
        with account.changing(customer, "customer.updated"):
            customer["invoice_settings"]["default_payment_method"] = None


def _used_up() -> Refusal:
    return invalid(
        "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
        "attachment, shared with a connected account without Customer attachment, or was detached "
        "from a Customer. It may not be used again. To use a PaymentMethod multiple times, you "
        "must attach it to a Customer first."
    )


ROUTES = (
    Route(
        "GET",
        "/v1/customers/{id}/payment_methods",
        list_of_customer,
        of.CustomerPaymentMethodListParams,
        PAGE + "type",
    ),
    Route(
        "GET",
        "/v1/payment_methods",
        list_all,
        of.PaymentMethodListParams,
        PAGE + "customer type",
    ),
    Route(
        "GET",
        "/v1/payment_methods/{id}",
        retrieve,
        of.PaymentMethodRetrieveParams,
    ),
    Route(
        "POST",
        "/v1/payment_methods/{id}/attach",
        attach,
        of.PaymentMethodAttachParams,
        "customer",
    ),
    Route(
        "POST",
        "/v1/payment_methods/{id}/detach",
        detach,
        of.PaymentMethodDetachParams,
    ),
)
