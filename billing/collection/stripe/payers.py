"""Who paid, as Stripe's fingerprint of a card or wallet: equal whenever it is used again.

Cards and Alipay have one; WeChat Pay has none. Pure functions of Stripe's objects as mappings.
"""

from collections.abc import Mapping
from typing import Any

# With `latest_charge` of a payment intent, responses tell who paid.
INTENT_WITH_CHARGE = "payment_intent.latest_charge"


def intent_payer(intent: object) -> str:
    """Return the payer of a payment intent with its expanded charge, empty if not known."""
    return charge_payer(intent.get("latest_charge")) if isinstance(intent, Mapping) else ""


def charge_payer(charge: object) -> str:
    """Return the fingerprint of what a charge was paid with, empty if it has none."""
    return _fingerprint(charge.get("payment_method_details")) if isinstance(charge, Mapping) else ""


def method_payer(method: object) -> str:
    """Return the fingerprint of a stored payment method, empty if it has none."""
    return _fingerprint(method)


def _fingerprint(details: object) -> str:
    """Return the fingerprint below the key that `type` names, as `card`."""
    if not isinstance(details, Mapping):
        return ""
    found: Any = details.get(str(details.get("type")))
    return str(found.get("fingerprint") or "") if isinstance(found, Mapping) else ""
