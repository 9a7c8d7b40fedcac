"""Stripe's test cards, and Alipay: the result of attachment, setup and charge of each.

Owns the `pm_card_…` names, which stand for a new payment method wherever one is asked for, and
`alipay`, which the customer chooses on Stripe's page.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tests.support.fakes.stripe.account import Account, Obj


@dataclass(frozen=True)
class Card:
    """The behaviour of a card, or of Alipay; by default all operations succeed."""

    last4: str
    brand: str = "visa"
    attaches: bool = True
    charges: bool = True
    authenticates: bool = False
    decline_code: str = "generic_decline"
    message: str = "Your card was declined."
    type: str = "card"


TEST_CARDS = MappingProxyType(
    {
        "pm_card_visa": Card("4242"),
        "pm_card_mastercard": Card("4444", brand="mastercard"),
        "pm_card_chargeDeclined": Card("0002", attaches=False, charges=False),
        "pm_card_chargeDeclinedInsufficientFunds": Card(
            "9995",
            attaches=False,
            charges=False,
            decline_code="insufficient_funds",
            message="Your card has insufficient funds.",
        ),
        "pm_card_chargeCustomerFail": Card("0341", charges=False),
        "pm_card_authenticationRequired": Card("3184", authenticates=True),
        "alipay": Card("", brand="alipay", attaches=False, type="alipay"),
    }
)


_ALIPAY = MappingProxyType(
    {
        "buyer_id": "2088102116773037",
        "fingerprint": "fingerprintAlipay",
        "transaction_id": "2026110122001473071430000000",
    }
)


def card_of(account: Account, method: Obj) -> Card:
    return TEST_CARDS[account.private.cards[method["id"]]]


def new_method(account: Account, name: str) -> Obj:
    """Create an unattached payment method of the test card."""
    card = TEST_CARDS[name]
    method: Obj = {
        "id": account.new_id("pm_"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": blank_billing_details(),
        card.type: _card(card) if card.type == "card" else {},
        "created": account.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": card.type,
    }
    account.private.cards[method["id"]] = name
    return account.add(method)


def blank_billing_details() -> dict[str, Any]:
    lines = ("city", "country", "line1", "line2", "postal_code", "state")
    blank: dict[str, Any] = dict.fromkeys(("email", "name", "phone", "tax_id"))
    return {"address": dict.fromkeys(lines), **blank}


def _checks() -> dict[str, Any]:
    return {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def _card(card: Card) -> dict[str, Any]:
    return {
        "brand": card.brand,
        "checks": _checks(),
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2035,
        "fingerprint": f"fingerprint{card.last4}",
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def charged_details(method: Obj) -> dict[str, Any]:
    """The details of a charge by card or Alipay."""
    if method["type"] == "alipay":
        return {"alipay": {**_ALIPAY}, "type": "alipay"}
    card = method["card"]
    kept = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    details = {key: card[key] for key in (*kept, "last4", "regulated_status", "wallet")}
    nothing = ("installments", "mandate", "network_token", "network_transaction_id")
    details |= {"network": card["brand"], **dict.fromkeys((*nothing, "three_d_secure"))}
    return {"card": details, "type": "card"}
