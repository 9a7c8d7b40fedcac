"""Invoice items: amounts that are pending until an invoice includes them.

Owns `/v1/invoiceitems`, and how items become lines of a draft.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, currency_of, merged, page
from tests.support.fakes.stripe.refusals import Refusal, invalid, not_editable
from tests.support.fakes.stripe.resources.invoice_shape import recompute
from tests.support.fakes.stripe.resources.item_shape import item_of, line_of, new_item, priced
from tests.support.fakes.stripe.routing import PAGE, Route

MOST_ITEMS = 250


def create(account: Account, call: Call) -> Obj:
    params = call.params
    invoice = _draft(account, params)
    customer = _customer(account, params, invoice)
    default = invoice["currency"] if invoice is not None else customer["currency"]
    currency = currency_of(params, default)
    if invoice is not None and currency != invoice["currency"]:
        raise other_currency(currency, invoice)
    _require_room(account, customer, invoice)
    item = new_item(account, params, customer["id"], currency, "")
    customer["currency"] = customer["currency"] or currency
    keep(account, item)
    if invoice is not None:
        with account.changing(invoice, "invoice.updated"):
            put_on(account, invoice, [item])
    return item


def retrieve(account: Account, call: Call) -> Obj:
    return _existing(account, call)


def update(account: Account, call: Call) -> Obj:
    item = _existing(account, call)
    _require_editable(account, item, "This invoice item has been deleted.")
    params = call.params
    if "amount" in params:
        item |= priced(account, params, "")
    elif {"quantity", "unit_amount_decimal"} & params.keys():
        unit = Decimal(item["pricing"]["unit_amount_decimal"])
        now = {"quantity": item["quantity"], "unit_amount_decimal": unit}
        item |= priced(account, {**now, **params}, "")
    item["metadata"] = merged(item["metadata"], params.get("metadata"))
    item |= {key: params[key] for key in ("description", "discountable", "period") if key in params}
    invoice = item["invoice"] and account.get("invoice", item["invoice"], "invoice")
    if invoice:
        lines = invoice["lines"]["data"]
        place = next(n for n, line in enumerate(lines) if item_of(line) == item["id"])
        lines[place] = line_of(account, item, lines[place]["id"])
        recompute(account, invoice)
    return item


def list_all(account: Account, call: Call) -> Obj:
    found, params = account.all("invoiceitem"), call.params
    for key in ("customer", "invoice"):
        if key in params:
            found = [each for each in found if each[key] == params[key]]
    if "pending" in params:
        found = [each for each in found if (each["invoice"] is None) == params["pending"]]
    return page(account, call, found)


def delete(account: Account, call: Call) -> Obj:
    item = _existing(account, call)
    message = "Can't delete an invoice item that is attached to an invoice that is no longer "
    _require_editable(account, item, message + "editable")
    account.emit("invoiceitem.deleted", item)
    if item["invoice"] is not None:
        invoice = account.get("invoice", item["invoice"], "invoice")
        data = invoice["lines"]["data"]
        invoice["lines"]["data"] = [line for line in data if item_of(line) != item["id"]]
        recompute(account, invoice)
    return account.remove(item)


def keep(account: Account, item: Obj) -> None:
    account.add(item)
    account.emit("invoiceitem.created", item)


def put_on(account: Account, invoice: Obj, items: Sequence[Obj]) -> None:
    """Add the items as lines of the draft."""
    data = invoice["lines"]["data"]
    if len(data) + len(items) > MOST_ITEMS:
        raise _too_many()
    for item in items:
        item["invoice"] = invoice["id"]
        data.append(line_of(account, item, account.new_id("il_")))
    recompute(account, invoice)


def other_currency(currency: str, invoice: Obj) -> Refusal:
    expected = invoice["currency"]
    message = f"The currency of the invoice item ({currency}) must be that of the invoice "
    return invalid(f"{message}({expected}).", param="currency")


def _existing(account: Account, call: Call) -> Obj:
    item = account.find("invoiceitem", call.id)
    if item is None:
        message = f"No such Invoice Item: '{call.id}'(livemode=false)"
        raise invalid(message, "resource_missing", "id", status=404)
    return item


def _require_editable(account: Account, item: Obj, message: str) -> None:
    """Check that the item is editable; an item of a deleted draft is not released."""
    if item["invoice"] is not None:
        invoice = account.find("invoice", item["invoice"])
        if invoice is None or invoice["status"] != "draft":
            raise invalid(message)


def _draft(account: Account, params: dict[str, Any]) -> Obj | None:
    if "invoice" not in params:
        return None
    invoice = account.get("invoice", params["invoice"], "invoice")
    if invoice["status"] != "draft":
        raise not_editable()
    return invoice


def _customer(account: Account, params: dict[str, Any], invoice: Obj | None) -> Obj:
    identifier = params.get("customer", invoice and invoice["customer"])
    if identifier is None:
        raise invalid("Missing required param: customer.", "parameter_missing", "customer")
    customer = account.get("customer", identifier, "customer")
    if invoice is not None and invoice["customer"] != customer["id"]:
        message = "The customer of the invoice item must be that of the invoice."
        raise invalid(message, param="customer")
    return customer


def _require_room(account: Account, customer: Obj, invoice: Obj | None) -> None:
    if invoice is not None:
        count = len(invoice["lines"]["data"])
    else:
        count = len(account.all("invoiceitem", customer=customer["id"], invoice=None))
    if count >= MOST_ITEMS:
        raise _too_many()


def _too_many() -> Refusal:
    return invalid(f"An invoice can have at most {MOST_ITEMS} invoice items.")


_ITEM = "amount description discountable metadata period quantity unit_amount_decimal "
ROUTES = (
    Route(
        "POST",
        "/v1/invoiceitems",
        create,
        of.InvoiceItemCreateParams,
        _ITEM + "currency customer invoice",
    ),
    Route(
        "GET",
        "/v1/invoiceitems",
        list_all,
        of.InvoiceItemListParams,
        PAGE + "customer invoice pending",
    ),
    Route(
        "GET",
        "/v1/invoiceitems/{id}",
        retrieve,
        of.InvoiceItemRetrieveParams,
    ),
    Route(
        "POST",
        "/v1/invoiceitems/{id}",
        update,
        of.InvoiceItemUpdateParams,
        _ITEM,
    ),
    Route(
        "DELETE",
        "/v1/invoiceitems/{id}",
        delete,
        of.InvoiceItemDeleteParams,
    ),
)
