"""The shape of an invoice, and its amounts while it is a draft.

The steps that change an invoice are in `invoices` and `settling`.
"""

from typing import Any

from tests.support.fakes.stripe.account import Account, Obj, listed
from tests.support.fakes.stripe.calls import merged

_NULL = (
    "account_tax_ids application automatically_finalizes_at custom_fields customer_account "
    "default_source effective_at ending_balance from_invoice hosted_invoice_url invoice_pdf "
    "last_finalization_error latest_revision next_payment_attempt on_behalf_of parent "
    "receipt_number rendering shipping_cost shipping_details status_details test_clock"
).split()
_ZERO = (
    "amount_due amount_overpaid amount_paid amount_paid_off_stripe amount_remaining "
    "amount_shipping attempt_count starting_balance post_payment_credit_notes_amount "
    "pre_payment_credit_notes_amount subtotal subtotal_excluding_tax total "
    "total_excluding_tax"
).split()
_EMPTY = (
    "customer_tax_ids default_tax_rates discounts total_discount_amounts "
    "total_pretax_credit_amounts total_taxes"
).split()

_HOUR_S = 60 * 60
_DAY_S = 24 * _HOUR_S


def new_draft(account: Account, params: dict[str, Any], customer: Obj, currency: str) -> Obj:
    """A draft without lines that is not stored yet."""
    identifier, now = account.new_id("in_"), account.now()
    invoice = _constant() | {
        "id": identifier,
        "auto_advance": params.get("auto_advance", False),
        "collection_method": params.get("collection_method", "charge_automatically"),
        "created": now,
        "currency": currency,
        "customer": customer["id"],
        "default_payment_method": params.get("default_payment_method"),
        "description": params.get("description"),
        "due_date": due_date(params, now),
        "footer": params.get("footer"),
        "lines": listed([], f"/v1/invoices/{identifier}/lines"),
        "metadata": merged({}, params.get("metadata")),
        "number": params.get("number"),
        "period_end": now,
        "period_start": now,
        "statement_descriptor": params.get("statement_descriptor"),
        "webhooks_delivered_at": now,
    }
    copy_customer(account, invoice, customer)
    schedule(invoice)
    return invoice


def due_date(params: dict[str, Any], created: int) -> int | None:
    if "days_until_due" in params:
        return created + int(params["days_until_due"]) * _DAY_S
    return params.get("due_date")


def copy_customer(account: Account, invoice: Obj, customer: Obj) -> None:
    """Copy the customer's current data, which a finalized invoice keeps."""
    kept = ("address", "email", "name", "phone", "shipping", "tax_exempt")
    invoice |= {f"customer_{key}": account.show({key: customer[key]})[key] for key in kept}


def schedule(invoice: Obj) -> None:
    """Set the time at which Stripe finalizes the draft automatically."""
    advances, created = invoice["auto_advance"], invoice["created"]
    charges = advances and invoice["collection_method"] == "charge_automatically"
    invoice["automatically_finalizes_at"] = created + _HOUR_S + 1 if advances else None
    invoice["next_payment_attempt"] = created + _HOUR_S if charges else None


def usable_balance(customer: Obj, invoice: Obj) -> int:
    """The usable balance, which has one currency and applies only to it."""
    balance: int = customer["balance"] if customer["currency"] == invoice["currency"] else 0
    return balance


def recompute(account: Account, invoice: Obj) -> None:
    """The draft's amounts, from its lines and the customer's balance."""
    customer = account.find("customer", invoice["customer"])
    total = sum(line["amount"] for line in invoice["lines"]["data"])
    balance = usable_balance(customer, invoice) if customer and "balance" in customer else 0
    due = max(0, total + balance)
    invoice |= dict.fromkeys(
        ("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"), total
    )
    invoice |= {"starting_balance": balance, "amount_due": due, "amount_remaining": due}


def _constant() -> Obj:
    states = ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
    return {
        "object": "invoice",
        "account_country": "US",
        "account_name": "Stand-in",
        "attempted": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_reason": "manual",
        "issuer": {"type": "self"},
        "livemode": False,
        "payment_settings": dict.fromkeys(
            ("default_mandate", "payment_method_options", "payment_method_types")
        ),
        "status": "draft",
        "status_transitions": dict.fromkeys(states),
        **dict.fromkeys(_NULL),
        **dict.fromkeys(_ZERO, 0),
        **{key: [] for key in _EMPTY},
    }
