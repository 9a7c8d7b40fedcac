"""Customers: billing data, default payment method and balance.

Owns `/v1/customers` and the balance, which is negative for credit. Invoices and credit notes
change the balance through `move_balance`.
"""

from typing import Any

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, currency_of, merged, or_none, page
from tests.support.fakes.stripe.refusals import invalid, no_such
from tests.support.fakes.stripe.routing import PAGE, Route

_PLAIN = (
    "address description email name phone preferred_locales shipping tax_exempt "
    "invoice_prefix next_invoice_sequence"
).split()
_OPTIONAL = ("business_name", "individual_name")  # left out of the object rather than null
_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def create(account: Account, call: Call) -> Obj:
    customer = _blank(account)
    _apply(account, customer, call.params)
    account.add(customer)
    _set_balance(account, customer, call.params, "initial")
    account.emit("customer.created", customer)
    return customer


def update(account: Account, call: Call) -> Obj:
    customer = account.get("customer", call.id, "id", 404)
    with account.changing(customer, "customer.updated"):
        _apply(account, customer, call.params)
        _set_balance(account, customer, call.params, "adjustment")
    return customer


def retrieve(account: Account, call: Call) -> Obj:
    customer = account.find("customer", call.id)
    if customer is None:
        raise no_such("customer", call.id, "id", 404)
    return customer


def list_all(account: Account, call: Call) -> Obj:
    found = [each for each in account.all("customer") if not each.get("deleted")]
    if "email" in call.params:
        found = [each for each in found if each["email"] == call.params["email"]]
    return page(account, call, found)


def delete(account: Account, call: Call) -> Obj:
    """Delete payment methods and pending items; the id then returns a stub."""
    customer = account.get("customer", call.id, "id", 404)
    for item in account.all("invoiceitem", customer=call.id, invoice=None):
        account.remove(item)
    for method in account.all("payment_method", customer=call.id):
        method["customer"] = None
        account.private.used_up.add(method["id"])
    account.emit("customer.deleted", customer)
    return account.add(account.remove(customer))


def list_balance(account: Account, call: Call) -> Obj:
    account.get("customer", call.id, "customer", 404)
    found = account.all("customer_balance_transaction", customer=call.id)
    return page(account, call, found)


def move_balance(
    account: Account, customer: Obj, amount: int, currency: str, kind: str, **cause: str
) -> Obj:
    """Change the balance, record the reason and emit an event."""
    with account.changing(customer, "customer.updated"):
        return _book(account, customer, amount, currency, kind, **cause)


def _set_balance(account: Account, customer: Obj, params: dict[str, Any], kind: str) -> None:
    moved = params.get("balance", customer["balance"]) - customer["balance"]
    if moved:
        _book(account, customer, moved, currency_of({}, customer["currency"]), kind)


def _book(
    account: Account, customer: Obj, amount: int, currency: str, kind: str, **cause: str
) -> Obj:
    customer["balance"] += amount
    customer["currency"] = customer["currency"] or currency
    record = {
        "id": account.new_id("cbtxn_"),
        "object": "customer_balance_transaction",
        "amount": amount,
        "checkout_session": None,
        "created": account.now(),
        "credit_note": cause.get("credit_note"),
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "description": None,
        "ending_balance": customer["balance"],
        "invoice": cause.get("invoice"),
        "livemode": False,
        "metadata": {},
        "type": kind,
    }
    return account.add(record)


def require_method(account: Account, customer: str | None, method: str, param: str) -> Obj:
    """The payment method, which must belong to the customer."""
    found = account.find("payment_method", method)
    if found is None or customer is None or found["customer"] != customer:
        message = f"The customer does not have a payment method with the ID {method}. "
        message += "The payment method must be attached to the customer."
        raise invalid(message, "resource_missing", param)
    return found


def _apply(account: Account, customer: Obj, params: dict[str, Any]) -> None:
    metadata = merged(customer["metadata"], params.get("metadata"))
    settings = _settings(account, customer, params.get("invoice_settings", {}))
    plain = {key: or_none(params[key]) for key in _PLAIN if key in params}
    for part in ("address", "shipping"):
        if plain.get(part):
            plain[part] = _filled(customer[part], part, plain[part])
    customer |= plain | {"metadata": metadata, "invoice_settings": settings}
    customer |= {key: params[key] for key in _OPTIONAL if params.get(key)}


def _settings(account: Account, customer: Obj, given: dict[str, Any]) -> dict[str, Any]:
    method = given.get("default_payment_method")
    if method:
        param = "invoice_settings[default_payment_method]"
        require_method(account, customer["id"], method, param)
    return {**customer["invoice_settings"], **{k: or_none(value) for k, value in given.items()}}


def _filled(old: Obj | None, part: str, given: dict[str, Any]) -> Obj:
    """An address after an update: omitted members are kept, and all keys are present."""
    if part == "address":
        return {**_ADDRESS, **(old or {}), **given}
    address = {**_ADDRESS, **(old or {}).get("address", {}), **given.get("address", {})}
    return {"name": None, "phone": None, **(old or {}), **given, "address": address}


def _blank(account: Account) -> Obj:
    return {
        "id": account.new_id("cus_", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": account.new_id("", 8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


_CUSTOMER = (
    "address balance business_name description email individual_name invoice_prefix "
    "invoice_settings.default_payment_method invoice_settings.footer metadata name "
    "next_invoice_sequence phone preferred_locales shipping tax_exempt"
)
ROUTES = (
    Route("POST", "/v1/customers", create, of.CustomerCreateParams, _CUSTOMER),
    Route("GET", "/v1/customers", list_all, of.CustomerListParams, PAGE + "email"),
    Route("GET", "/v1/customers/{id}", retrieve, of.CustomerRetrieveParams),
    Route("POST", "/v1/customers/{id}", update, of.CustomerUpdateParams, _CUSTOMER),
    Route("DELETE", "/v1/customers/{id}", delete, of.CustomerDeleteParams),
    Route(
        "GET",
        "/v1/customers/{id}/balance_transactions",
        list_balance,
        of.CustomerBalanceTransactionListParams,
        PAGE,
    ),
)
