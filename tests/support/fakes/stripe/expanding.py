"""`expand`: replaces ids by their objects, and adds lists omitted by default.

Which object an id names the account knows.
"""

from typing import Any

from tests.support.fakes.stripe.account import Account, Obj, listed
from tests.support.fakes.stripe.refusals import invalid

_DEEPEST = 4


def expand(account: Account, body: Obj, paths: list[str]) -> None:
    """Expand in place; the body must be a copy."""
    for path in paths:
        segments = path.split(".")
        if len(segments) > _DEEPEST:
            raise invalid("You cannot expand more than 4 levels of a property.", param="expand")
        _walk(account, body, segments)


def _walk(account: Account, node: Any, segments: list[str]) -> None:
    if isinstance(node, list):
        for each in node:
            _walk(account, each, segments)
    elif segments and isinstance(node, dict):
        head, *rest = segments
        if head not in node and not _include(account, node, head):
            raise invalid(f"This property cannot be expanded ({head}).")
        if isinstance(node[head], str):
            node[head] = _object(account, node, head)
        _walk(account, node[head], rest)


def _object(account: Account, node: Obj, key: str) -> Obj:
    named = None if key == "id" else account.named(node[key])
    if named is None:
        raise invalid(f"This property cannot be expanded ({key}).")
    return account.show(named)


def _include(account: Account, node: Obj, key: str) -> bool:
    """Add members that an invoice has only on request."""
    if node.get("object") != "invoice" or key not in ("payments", "confirmation_secret"):
        return False
    payments = account.all("invoice_payment", invoice=node["id"])
    if key == "payments":
        node[key] = listed([account.show(each) for each in payments], "/v1/invoice_payments")
        return True
    intent = (
        account.find("payment_intent", payments[0]["payment"]["payment_intent"])
        if payments
        else None
    )
    secret = intent and {"client_secret": intent["client_secret"], "type": "payment_intent"}
    node[key] = secret
    return True
