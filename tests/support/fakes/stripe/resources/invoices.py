"""Invoices as documents: creating, changing, listing and deleting drafts.

Finalizing, paying and what else settles one is in `settling`.
"""

from typing import Any

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, currency_of, merged, or_none, page
from tests.support.fakes.stripe.refusals import invalid, no_such, not_editable
from tests.support.fakes.stripe.resources import checkout_payment
from tests.support.fakes.stripe.resources.customers import require_method
from tests.support.fakes.stripe.resources.invoice_items import (
    MOST_ITEMS,
    keep,
    other_currency,
    put_on,
)
from tests.support.fakes.stripe.resources.invoice_shape import (
    due_date,
    new_draft,
    recompute,
    schedule,
)
from tests.support.fakes.stripe.resources.item_shape import new_item
from tests.support.fakes.stripe.routing import PAGE, Route

_TEXTS = ("description", "footer", "statement_descriptor", "number")
_ALWAYS_EDITABLE = {"metadata", "expand"}
_EDITABLE_WHILE_OPEN = _ALWAYS_EDITABLE | {"auto_advance", "default_payment_method"}


def create(account: Account, call: Call) -> Obj:
    params = call.params
    if "customer" not in params:
        raise invalid("Missing required param: customer.", "parameter_missing", "customer")
    customer = account.get("customer", params["customer"], "customer")
    _check_due(params, params.get("collection_method", "charge_automatically"), False)
    if "default_payment_method" in params:
        method = params["default_payment_method"]
        require_method(account, customer["id"], method, "default_payment_method")
    currency = currency_of(params, customer["currency"])
    methods = params.get("payment_settings", {}).get("payment_method_types") or []
    checkout_payment.check_currency(methods, currency, "payment_settings[payment_method_types]")
    items = _pending(account, customer, currency, params)
    invoice = account.add(new_draft(account, params, customer, currency))
    invoice["payment_settings"]["payment_method_types"] = methods or None
    customer["currency"] = customer["currency"] or currency
    put_on(account, invoice, items)
    account.emit("invoice.created", invoice)
    return invoice


def retrieve(account: Account, call: Call) -> Obj:
    return _now(account, account.get("invoice", call.id, "invoice", 404))


def list_all(account: Account, call: Call) -> Obj:
    found = [_now(account, invoice) for invoice in account.all("invoice")]
    for key in ("customer", "status", "collection_method"):
        if key in call.params:
            found = [each for each in found if each[key] == call.params[key]]
    return page(account, call, found)


def list_lines(account: Account, call: Call) -> Obj:
    invoice = account.get("invoice", call.id, "invoice", 404)
    return page(account, call, invoice["lines"]["data"])


def update(account: Account, call: Call) -> Obj:
    invoice, params = account.get("invoice", call.id, "id", 404), call.params
    _require_updatable(invoice, params)
    if "collection_method" in params or {"due_date", "days_until_due"} & params.keys():
        method = params.get("collection_method") or invoice["collection_method"]
        _check_due(params, method, invoice["due_date"] is not None)
    if params.get("default_payment_method"):
        name = params["default_payment_method"]
        require_method(account, invoice["customer"], name, "default_payment_method")
    with account.changing(invoice, "invoice.updated"):
        _apply(invoice, params)
    return invoice


def delete(account: Account, call: Call) -> Obj:
    """Delete a draft; its items keep the id of the deleted invoice."""
    invoice = account.get("invoice", call.id, "invoice", 404)
    if invoice["status"] != "draft":
        raise invalid("You can only delete draft invoices.")
    account.emit("invoice.deleted", invoice)
    return account.remove(invoice)


def add_lines(account: Account, call: Call) -> Obj:
    invoice = account.get("invoice", call.id, "invoice", 404)
    if invoice["status"] != "draft":
        raise not_editable()
    lines: list[dict[str, Any]] = call.params["lines"]
    if len(invoice["lines"]["data"]) + len(lines) > MOST_ITEMS:
        raise invalid(f"An invoice can have at most {MOST_ITEMS} invoice items.")
    items = [_item(account, invoice, line, place) for place, line in enumerate(lines)]
    with account.changing(invoice, "invoice.updated"):
        for item in items:
            if account.find("invoiceitem", item["id"]) is None:
                keep(account, item)
        put_on(account, invoice, items)
        invoice["metadata"] = merged(invoice["metadata"], call.params.get("invoice_metadata"))
    return invoice


def _item(account: Account, invoice: Obj, line: dict[str, Any], place: int) -> Obj:
    within = f"lines[{place}]"
    if "invoice_item" not in line:
        return new_item(account, line, invoice["customer"], invoice["currency"], within)
    item = account.get("invoiceitem", line["invoice_item"], f"{within}[invoice_item]")
    if item["invoice"] is not None or item["customer"] != invoice["customer"]:
        raise no_such("Invoice Item", item["id"], f"{within}[invoice_item]")
    if item["currency"] != invoice["currency"]:
        raise other_currency(item["currency"], invoice)
    return item


def _now(account: Account, invoice: Obj) -> Obj:
    """The invoice with the amount due of a draft for the customer's current balance."""
    if invoice["status"] == "draft":
        recompute(account, invoice)
    return invoice


def _pending(account: Account, customer: Obj, currency: str, params: dict[str, Any]) -> list[Obj]:
    """The pending items that the draft includes: none by default, and only of its currency."""
    if params.get("pending_invoice_items_behavior", "exclude") != "include":
        return []
    identifier = customer["id"]
    return account.all("invoiceitem", customer=identifier, invoice=None, currency=currency)


def _check_due(params: dict[str, Any], method: str, has_due_date: bool) -> None:
    given = bool({"due_date", "days_until_due"} & params.keys())
    if method == "send_invoice" and not given and not has_due_date:
        raise invalid(
            "If invoice collection method is 'send_invoice', you must specify 'due_date' or "
            "'days_until_due'."
        )
    if method == "charge_automatically" and given:
        raise invalid(
            "You can only specify 'due_date' or 'days_until_due' if invoice collection method is "
            "'send_invoice'."
        )


def _require_updatable(invoice: Obj, params: dict[str, Any]) -> None:
    if invoice["status"] == "draft":
        return
    allowed = _EDITABLE_WHILE_OPEN if invoice["status"] == "open" else _ALWAYS_EDITABLE
    for name in params.keys() - allowed:
        raise invalid("Finalized invoices can't be updated in this way", param=name)


def _apply(invoice: Obj, params: dict[str, Any]) -> None:
    invoice |= {key: or_none(params[key]) for key in _TEXTS if key in params}
    invoice["metadata"] = merged(invoice["metadata"], params.get("metadata"))
    for key in ("auto_advance", "collection_method", "default_payment_method"):
        if key in params:
            invoice[key] = or_none(params[key])
    if invoice["status"] == "draft":
        if {"due_date", "days_until_due"} & params.keys():
            invoice["due_date"] = due_date(params, invoice["created"])
        schedule(invoice)


_DRAFT = (
    "auto_advance collection_method days_until_due default_payment_method description due_date "
    "footer metadata number statement_descriptor "
)
_LINES = (
    "lines.amount lines.description lines.discountable lines.invoice_item lines.metadata "
    "lines.period"
)
ROUTES = (
    Route(
        "POST",
        "/v1/invoices",
        create,
        of.InvoiceCreateParams,
        _DRAFT + "currency customer payment_settings.payment_method_types "
        "pending_invoice_items_behavior",
    ),
    Route(
        "GET",
        "/v1/invoices",
        list_all,
        of.InvoiceListParams,
        PAGE + "collection_method customer status",
    ),
    Route("GET", "/v1/invoices/{id}", retrieve, of.InvoiceRetrieveParams),
    Route("POST", "/v1/invoices/{id}", update, of.InvoiceUpdateParams, _DRAFT),
    Route("DELETE", "/v1/invoices/{id}", delete, of.InvoiceDeleteParams),
    Route(
        "GET",
        "/v1/invoices/{id}/lines",
        list_lines,
        of.InvoiceLineItemListParams,
        PAGE,
    ),
    Route(
        "POST",
        "/v1/invoices/{id}/add_lines",
        add_lines,
        of.InvoiceAddLinesParams,
        "invoice_metadata " + _LINES,
    ),
)
