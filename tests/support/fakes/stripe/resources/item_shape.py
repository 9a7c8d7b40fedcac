"""The shape of an invoice item, its amount, and its invoice line.

The endpoint is in `invoice_items`.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import merged
from tests.support.fakes.stripe.refusals import invalid

_SHOWN_BY_LINE = (
    "amount currency description discountable livemode metadata period invoice pricing "
    "quantity quantity_decimal"
).split()


def new_item(
    account: Account, params: dict[str, Any], customer: str, currency: str, within: str
) -> Obj:
    """An item that is not stored yet; `within` names the parent parameter."""
    amounts = priced(account, params, within)
    now = account.now()
    return {
        "id": account.new_id("ii_"),
        "object": "invoiceitem",
        **amounts,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "date": now,
        "description": params.get("description"),
        "discountable": params.get("discountable", amounts["amount"] >= 0),
        "discounts": [],
        "invoice": None,
        "invoicing_rules": None,
        "livemode": False,
        "metadata": merged({}, params.get("metadata")),
        "parent": None,
        "period": params.get("period", {"end": now, "start": now}),
        "proration": False,
        "tax_rates": [],
        "test_clock": None,
    }


def line_of(account: Account, item: Obj, identifier: str) -> Obj:
    """The invoice line of the item, with this id."""
    details = {"invoice_item": item["id"], "proration": False, "subscription": None}
    return {
        "id": identifier,
        "object": "line_item",
        **account.show({key: item[key] for key in _SHOWN_BY_LINE}),
        "discount_amounts": [],
        "discounts": [],
        "parent": {
            "invoice_item_details": {**details, "proration_details": {"credited_items": None}},
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "pretax_credit_amounts": [],
        "subscription": None,
        "subtotal": item["amount"],
        "taxes": [],
    }


def priced(account: Account, params: dict[str, Any], within: str) -> Obj:
    """The price members: an amount, or a quantity and a unit amount."""
    amount, quantity = params.get("amount"), params.get("quantity", 1)
    unit = params.get("unit_amount_decimal")
    if amount is not None and ("quantity" in params or unit is not None):
        message = "You may only specify one of these parameters: amount, quantity."
        raise invalid(message, param=_within("amount", within))
    if amount is None:
        if unit is None:
            param = _within("amount", within)
            raise invalid(f"Missing required param: {param}.", "parameter_missing", param)
        amount = int((unit * quantity).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    details = {"price": account.new_id("price_"), "product": account.new_id("prod_", 14)}
    each = str(amount if unit is None else unit)
    pricing = {"price_details": details, "type": "price_details", "unit_amount_decimal": each}
    return {
        "amount": amount,
        "net_amount": amount,
        "pricing": pricing,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
    }


def _within(name: str, within: str) -> str:
    return f"{within}[{name}]" if within else name


def item_of(line: Obj) -> str:
    """The id of the line's item."""
    identifier: str = line["parent"]["invoice_item_details"]["invoice_item"]
    return identifier
